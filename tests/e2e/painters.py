"""The painter, which also takes a number as prompt and then only waits for that many seconds. For
tests that need a task to run for a while: real painting would slow down other tests.
"""

from shared.generators import registry
from shared.generators.port import GenerationParameters, Image, Progress
from tests import slow_generator
from tests.tasks import FakeGenerator

ENVIRONMENT = {"GENERATOR_URL": f"python:{__name__}:from_url"}


def from_url(url: str) -> FakeGenerator:
    painter = registry.generator("painter://")

    async def generate(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
        chosen = slow_generator if prompt.isdecimal() else painter
        return await chosen.generate(prompt, parameters, progress)

    return FakeGenerator(generate)
