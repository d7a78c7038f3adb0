"""A generator for workers in processes of their own: as quick or slow as the prompt says.

The prompt is a number of seconds, or `exit`: then the generator takes its process along.
"""

import asyncio
import os

from shared.generators.port import GenerationParameters, Image, Progress
from tests.tasks import FakeGenerator, picture


def from_url(url: str) -> FakeGenerator:
    return FakeGenerator(generate)


async def generate(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
    if prompt == "exit":
        os._exit(1)
    for step in range(int(prompt) * 10):
        await asyncio.sleep(0.1)
        await progress(step / (int(prompt) * 10))
    return await picture(prompt, parameters, progress)
