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
    """Runs hashes in threads, so many at a time, with room for so many more to wait."""

    def __init__(self, threads: int = THREADS, waiting: int = WAITING) -> None:
        self._free = asyncio.Semaphore(threads)
        self._admitted, self._most_admitted = 0, threads + waiting

    async def run(self, hash_: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Raises Unavailable where there is no room to wait: better at once than too late."""
        if self._admitted == self._most_admitted:
            raise Unavailable("Too many passwords are being checked.", retry_after_seconds=1)
        self._admitted += 1
        try:
            async with self._free:
                return await asyncio.to_thread(hash_, *args, **kwargs)
        finally:
            self._admitted -= 1
