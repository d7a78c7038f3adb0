import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any, Final, TypeVar

from lampwork.errors import StartError
from lampwork.stack.model import Stack
from lampwork.triggers.source import ReadQueue, RunningSource, Source, SourceContext

TRY_AGAIN_SECONDS: Final = 1

Kind = TypeVar("Kind")


class RunningSources:
    """Runs all sources. Each starts on its own: one that has to wait does not delay the others."""

    def __init__(self, sources: Iterable[Source], context: SourceContext) -> None:
        self._say = context.say
        opened = [source.open(context) for source in sources]
        self._running = [_StartingSource(each, self._say) for each in opened if each is not None]

    def running(self, kind: type[Kind]) -> Kind | None:
        """The running source of this class, if there is one."""
        found = (each.running for each in self._running if isinstance(each.running, kind))
        return next(found, None)

    def start(self, stack: Stack) -> None:
        """Begin to start the sources. One that cannot start yet is tried again until it can."""
        for each in self._running:
            each.start(stack)

    async def update(self, stack: Stack) -> None:
        """Go on with the stack of a saved template.

        Raises:
            StartError: a source cannot go on. All others do.
        """
        await _all(each.update(stack) for each in self._running)

    async def stop(self) -> None:
        await _all(each.stop() for each in self._running)

    @property
    def not_started(self) -> list[str]:
        """The names of those that still wait to start."""
        return [each.name for each in self._running if not each.started]

    def read_queues(self) -> Iterator[ReadQueue]:
        for each in self._running:
            yield from each.running.read_queues()

    async def begin_anew(self) -> None:
        """As each source's."""
        await _all(each.running.begin_anew() for each in self._running)


async def _all(work: Iterable[Coroutine[Any, Any, None]]) -> None:
    """Do all of it, whatever fails; then raise the first failure."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for failure in filter(None, results):
        raise failure


class _StartingSource:
    """A source that may still be waiting to start. When it starts, it does so with the newest
    stack."""

    def __init__(self, running: RunningSource, say: Callable[[str], None]) -> None:
        self.running = running
        self.name = type(running).__name__
        self._say = say
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self.started = False

    def start(self, stack: Stack) -> None:
        self._stack = stack
        self._task = asyncio.create_task(self._start_until_it_works())

    async def update(self, stack: Stack) -> None:
        self._stack = stack
        async with self._lock:
            if self.started:
                await self.running.update(stack)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.running.stop()

    async def _start_until_it_works(self) -> None:
        told = False
        while not self.started:
            try:
                async with self._lock:
                    await self.running.start(self._stack)
                    self.started = True
            except StartError as error:
                if not told:
                    self._say(f"{error} Trying again.")
                told = True
                await asyncio.sleep(TRY_AGAIN_SECONDS)
