"""The time by which the emulator waits for what AWS does only after minutes or hours.

A test can move it. Short pauses and limits of the emulator itself go by the machine's clock, and so
do functions' processes.
"""

import asyncio
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

# Who waits for a moment looks at least so often, so that a suspend of the machine or a change of
# its clock is noticed.
LONGEST_SLEEP_SECONDS: Final = 30


class Timer:
    """One call that is to come. `left` tells in how many seconds."""

    def __init__(
        self,
        waiting: "set[Timer]",
        left: Callable[[], float],
        callback: Callable[[], None],
        look_each: float = math.inf,
    ) -> None:
        self.left = left
        self._look_each = look_each
        self._waiting = waiting
        self._callback = callback
        self._loop = asyncio.get_running_loop()
        self._waiting.add(self)
        self.look_later()

    def look_later(self) -> None:
        seconds = min(max(0.0, self.left()), self._look_each)
        self._handle = self._loop.call_later(seconds, self.look)

    def look(self) -> None:
        """Call if it is time."""
        self._handle.cancel()
        if self.left() > 0:
            self.look_later()
        else:
            self._waiting.discard(self)
            self._callback()

    def cancel(self) -> None:
        self._waiting.discard(self)
        self._handle.cancel()


class Clock:
    """The machine's time, and how far a test has moved it."""

    def __init__(self) -> None:
        self._waiting: set[Timer] = set()
        self._ahead = 0.0
        self._ahead_since_1970 = 0.0

    def monotonic(self) -> float:
        """Seconds since some moment. It never goes back."""
        return time.monotonic() + self._ahead

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead_since_1970

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.time(), UTC)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        due = self.monotonic() + seconds
        return Timer(self._waiting, lambda: due - self.monotonic(), callback)

    async def sleep(self, seconds: float) -> None:
        due = self.monotonic() + seconds
        await self._until(lambda: due - self.monotonic())

    async def sleep_until(self, moment: datetime) -> None:
        await self._until(lambda: (moment - self.now()).total_seconds(), LONGEST_SLEEP_SECONDS)

    async def _until(self, left: Callable[[], float], look_each: float = math.inf) -> None:
        over = asyncio.Event()
        timer = Timer(self._waiting, left, over.set, look_each)
        try:
            await over.wait()
        finally:
            timer.cancel()

    # What tests do

    def next_due(self) -> float | None:
        """In how many seconds the next of those that wait is due."""
        return min((max(0.0, timer.left()) for timer in self._waiting), default=None)

    def advance(self, seconds: float) -> None:
        """Move the time on, and call what is due then, in its order."""
        self._ahead += seconds
        self._ahead_since_1970 += seconds
        for timer in sorted(self._waiting, key=lambda each: each.left()):
            if timer in self._waiting:  # one that was called may have cancelled it
                timer.look()

    def back_to_now(self) -> None:
        """Let the time since 1970 be that of the machine again."""
        self._ahead_since_1970 = 0.0


CLOCK: Final = Clock()
