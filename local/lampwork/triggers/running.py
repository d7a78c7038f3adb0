import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from lampwork.concurrency import run_all
from lampwork.errors import StartError
from lampwork.stack.model import Stack
from lampwork.triggers.source import Running, Source, Surroundings

TRY_AGAIN_SECONDS: Final = 1


class RunningSources:
    """All sources at work. Each starts by itself: one that waits holds up no other."""

    def __init__(self, sources: Iterable[Source], surroundings: Surroundings) -> None:
        self._say = surroundings.say
        opened = [source.open(surroundings) for source in sources]
        self._running = [_Starting(each, self._say) for each in opened if each is not None]

    def start(self, stack: Stack) -> None:
        """Begin to start them; what cannot start yet is tried until it can."""
        for each in self._running:
            each.start(stack)

    async def update(self, stack: Stack) -> None:
        """Go on with a saved template.

        Raises:
            StartError: a source cannot go on; the others do.
        """
        await run_all(*(each.update(stack) for each in self._running))

    async def stop(self) -> None:
        await run_all(*(each.stop() for each in self._running))


class _Starting:
    """A source that may not have started yet, and then starts with the newest stack."""

    def __init__(self, running: Running, say: Callable[[str], None]) -> None:
        self._running = running
        self._say = say
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._started = False

    def start(self, stack: Stack) -> None:
        self._stack = stack
        self._task = asyncio.create_task(self._start_until_it_works())

    async def update(self, stack: Stack) -> None:
        self._stack = stack
        async with self._lock:
            if self._started:
                await self._running.update(stack)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._running.stop()

    async def _start_until_it_works(self) -> None:
        told = False
        while not self._started:
            try:
                async with self._lock:
                    await self._running.start(self._stack)
                    self._started = True
            except StartError as error:
                if not told:
                    self._say(f"{error} Trying again.")
                told = True
                await asyncio.sleep(TRY_AGAIN_SECONDS)
