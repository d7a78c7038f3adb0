"""Turns what a provider sent into the picture that was asked for."""

import asyncio
import base64
import io
import json
from typing import Any

from PIL import Image as Pictures
from PIL import ImageOps

from shared.generators import failures
from shared.generators.port import Image

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_PIXELS = 4096 * 4096  # a small file may unpack to more than the memory there is


def parse_json(body: bytes) -> Any:
    """The JSON of an answer; None if it is not JSON, since then it holds no picture."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def decode_base64(text: object) -> bytes:
    """The bytes in a base64 text, also in one written as a data: URL.

    Raises:
        GenerationFailed: it is not base64.
    """
    if not isinstance(text, str):
        raise failures.invalid_output("no base64 text")
    try:
        return base64.b64decode(text.rpartition(",")[2], validate=True)
    except ValueError:
        raise failures.invalid_output("wrong base64") from None


async def fit(data: bytes, width: int, height: int) -> Image:
    """The picture as a PNG of exactly this size: scaled to cover it and cut to its middle.

    Raises:
        GenerationFailed: it is not a PNG, JPEG or WebP file, it is broken, or too large to unpack.
    """
    png = await asyncio.to_thread(_fit, data, width, height)
    return Image(png, "image/png", width, height)


def _fit(data: bytes, width: int, height: int) -> bytes:
    fitted = ImageOps.fit(_pixels(data), (width, height), Pictures.Resampling.LANCZOS)
    png = io.BytesIO()
    fitted.save(png, "PNG")  # anew whatever came: nothing but the picture reaches the browser
    return png.getvalue()


def _pixels(data: bytes) -> Pictures.Image:
    try:
        with Pictures.open(io.BytesIO(data), formats=FORMATS) as picture:
            if picture.width * picture.height <= MAX_PIXELS:
                return picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    except Exception as error:  # a broken file makes Pillow's readers raise anything
        raise failures.invalid_output(type(error).__name__) from None
    raise failures.invalid_output("too many pixels")
