"""A generator for workers in processes of their own that takes as long as the prompt says. The
prompt is a number of seconds; or the path of a file, for which the generator waits; or `exit`, at
which the generator ends its process.
"""

import asyncio
import os
from pathlib import Path

from shared.generators.port import GenerationParameters, Image, Progress
from tests.tasks import FakeGenerator, picture


def from_url(url: str) -> FakeGenerator:
    return FakeGenerator(generate)


async def generate(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
    if prompt == "exit":
        os._exit(1)
    if os.path.isabs(prompt):
        await progress(0.1)
        await _until_there(Path(prompt))
    else:
        await _take(int(prompt), progress)
    return await picture(prompt, parameters, progress)


async def _until_there(file: Path) -> None:
    while not file.exists():
        await asyncio.sleep(0.02)


async def _take(seconds: int, progress: Progress) -> None:
    for step in range(seconds * 10):
        await asyncio.sleep(0.1)
        await progress(step / (seconds * 10))
