"""The built-in painter in a pool of processes, as many as there are cores."""

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

from shared.generators.painter.painter import Painter
from shared.generators.port import GenerationParameters

PROCESSES = os.cpu_count() or 1


def make_pool() -> ProcessPoolExecutor:
    """A pool whose processes have painted once already, as those of a running server have."""
    pool = ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn"))
    small = {"width": 64, "height": 64, "style": "painting", "seed": 1}
    for each in [pool.submit(paint, "a lamp", small) for _ in range(2 * PROCESSES)]:
        each.result()
    return pool


def paint(prompt: str, parameters: Mapping[str, Any]) -> bytes:
    """A picture as PNG."""
    image = asyncio.run(
        Painter().generate(prompt, GenerationParameters(**parameters), _no_progress)
    )
    return image.data


async def _no_progress(fraction: float) -> None:
    """Nobody is told."""
