import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from lampwork.stack.model import Stack, Trigger
from lampwork.triggers.mappings.sqs_client import SqsClient
from lampwork.triggers.source import ReadQueue, RunningSource, nothing_to_wait_for

T = TypeVar("T", bound=Trigger)


class Reader(Protocol):
    @property
    def reads(self) -> ReadQueue:
        """The queue, and which of its messages wait for their next try."""
        ...

    async def begin_anew(self) -> None:
        """Drop what was read from a queue that has been emptied."""
        ...

    async def stop(self) -> None:
        """Stop reading. Batches that have begun are delivered again later."""
        ...


class ReadingSource(RunningSource, ABC, Generic[T]):
    """Has one reader of a queue for each trigger of its `kind` in the stack.

    `until_ready` waits for the queues' endpoint.
    """

    def __init__(
        self,
        kind: type[T],
        client: SqsClient,
        until_ready: Callable[[], Awaitable[None]] = nothing_to_wait_for,
    ) -> None:
        self._client = client
        self._kind = kind
        self._until_ready = until_ready
        self._connected = False
        self._readers: dict[T, Reader] = {}

    async def start(self, stack: Stack) -> None:
        await self._until_ready()
        await self._take(stack)

    async def update(self, stack: Stack) -> None:
        wanted = stack.triggers_of(self._kind)
        await self._stop([each for each in self._readers if each not in wanted])
        await self._take(stack)

    async def stop(self) -> None:
        """Stop reading. Batches that have begun are not waited for: they are delivered again
        later."""
        await self._stop(tuple(self._readers))
        await self._client.close()

    async def begin_anew(self) -> None:
        await asyncio.gather(*(reader.begin_anew() for reader in self._readers.values()))

    def read_queues(self) -> Iterator[ReadQueue]:
        return (reader.reads for reader in self._readers.values())

    @abstractmethod
    def _open(self, trigger: T, stack: Stack) -> Reader:
        """Begin to read for a trigger."""

    async def _prepare(self, stack: Stack) -> None:
        """Be ready to read for this stack."""
        if stack.triggers_of(self._kind):
            await self._connect()

    async def _connect(self) -> None:
        if not self._connected:
            await self._client.connect()
            self._connected = True

    async def _take(self, stack: Stack) -> None:
        await self._prepare(stack)
        for trigger in stack.triggers_of(self._kind):
            if trigger not in self._readers:
                self._readers[trigger] = self._open(trigger, stack)

    async def _stop(self, triggers: Iterable[T]) -> None:
        await asyncio.gather(*(self._readers.pop(trigger).stop() for trigger in triggers))
