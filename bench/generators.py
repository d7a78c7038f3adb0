"""The generator that the product uses while it is measured."""

from shared.generators.port import GenerationParameters, Image, Progress
from tests.tasks import blank_png

PICTURE = Image(blank_png(64, 64), "image/png", 64, 64)


class Nothing:
    """Takes no time, so that all time measured is the product's own."""

    async def generate(
        self, prompt: str, parameters: GenerationParameters, progress: Progress
    ) -> Image:
        return PICTURE


def nothing(url: str) -> Nothing:
    return Nothing()
