"""The generators that the product uses while it is measured."""

import asyncio

from shared.generators.port import GenerationParameters, Image, Progress
from tests.tasks import blank_png

PICTURE = Image(blank_png(64, 64), "image/png", 64, 64)


class Nothing:
    """Takes no time, so that all time measured is the product's own."""

    async def generate(
        self, prompt: str, parameters: GenerationParameters, progress: Progress
    ) -> Image:
        return PICTURE


class Never:
    """Takes no processor time and does not end: the workers are occupied, and tasks wait."""

    async def generate(
        self, prompt: str, parameters: GenerationParameters, progress: Progress
    ) -> Image:
        await asyncio.Event().wait()
        return PICTURE


def nothing(url: str) -> Nothing:
    return Nothing()


def never(url: str) -> Never:
    return Never()
