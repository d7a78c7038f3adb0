import asyncio
import os
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from shared.errors import Unavailable

P = ParamSpec("P")
R = TypeVar("R")

# Each hash takes 19 MiB while it is computed; those that wait take none.
THREADS = 2 * (os.cpu_count() or 1)
WAITING = 64


class HashingCapacity:
    """Runs a limited number of hashes in threads, and lets a limited number wait."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._free = asyncio.Semaphore(threads)
        self._admitted, self._most_admitted = 0, threads + waiting

    async def run(self, hash_: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Raises Unavailable if too many already wait: a quick refusal is better than a late
        answer."""
        if self._admitted == self._most_admitted:
            raise Unavailable("Too many passwords are being checked.", retry_after_seconds=1)
        self._admitted += 1
        try:
            async with self._free:
                return await asyncio.to_thread(hash_, *args, **kwargs)
        finally:
            self._admitted -= 1
