"""Paints twenty prompts on one sheet, to show at a glance how the built-in painter interprets
words."""

import argparse
import asyncio
import io
import textwrap
from pathlib import Path

from PIL import Image as Picture
from PIL import ImageDraw, ImageFont

from shared.generators.port import GenerationParameters, Generator, Style
from shared.generators.registry import generator

PROMPTS = [
    ("a mountain lake at night", Style.PAINTING),
    ("a red fox in an autumn forest", Style.PAINTING),
    ("wild sea in a storm, a small boat", Style.PAINTING),
    ("cherry blossom in spring, mount Fuji", Style.WATERCOLOR),
    ("neon city in the rain", Style.NEON),
    ("desert dunes at sunset, a lone wanderer", Style.PAINTING),
    ("spiral galaxy with a ringed planet", Style.PAINTING),
    ("sunflower field on a summer day", Style.PAINTING),
    ("coral reef with tropical fish", Style.MOSAIC),
    ("a lighthouse at dusk", Style.POSTER),
    ("northern lights over a snowy cabin", Style.PAINTING),
    ("misty pine mountains at dawn", Style.INK),
    ("hot air balloons over green hills, morning", Style.POSTER),
    ("a black cat on the roofs of Paris at night", Style.PAINTING),
    ("symphony in blue and gold", Style.PAINTING),
    ("lanterns over a quiet lake", Style.WATERCOLOR),
    ("a castle above the clouds, pink sky", Style.PAINTING),
    ("a whale under the moon 🌙", Style.INK),
    ("what the clock said to the mirror", Style.MOSAIC),
    ("a robot in a poppy meadow", Style.WATERCOLOR),
]
COLUMNS, CELL, CAPTION, GAP = 5, 384, 58, 24
PAPER, INK = (250, 248, 243), (70, 66, 60)


async def no_progress(fraction: float) -> None:
    """Nobody watches the progress of a sheet."""


async def contact_sheet(painter: Generator) -> Picture.Image:
    rows = -(-len(PROMPTS) // COLUMNS)
    size = (COLUMNS * (CELL + GAP) + GAP, rows * (CELL + CAPTION) + GAP)
    sheet = Picture.new("RGB", size, PAPER)
    for place, (prompt, style) in enumerate(PROMPTS):
        x = GAP + place % COLUMNS * (CELL + GAP)
        y = GAP + place // COLUMNS * (CELL + CAPTION)
        parameters = GenerationParameters(CELL, CELL, style)
        image = await painter.generate(prompt, parameters, no_progress)
        sheet.paste(Picture.open(io.BytesIO(image.data)), (x, y))
        _caption(sheet, prompt, style, (x, y + CELL + 8))
    return sheet


def _caption(sheet: Picture.Image, prompt: str, style: Style, place: tuple[int, int]) -> None:
    words = "".join(char for char in prompt if char.isascii()).strip()
    text = "\n".join(textwrap.wrap(f"{words} · {style}", 50))
    ImageDraw.Draw(sheet).text(place, text, INK, ImageFont.load_default(15))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("contact-sheet.png"))
    out = parser.parse_args().out
    asyncio.run(contact_sheet(generator("painter://"))).save(out)


if __name__ == "__main__":
    main()
