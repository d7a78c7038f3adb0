"""Collects messages into the batches with which a poller invokes its function."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from lampwork.invocation.limits import MAX_EVENT

SHORT_POLL_SECONDS: Final = 0.1
AROUND_RECORDS: Final = len(b'{"Records": []}')
BETWEEN_RECORDS: Final = len(b", ")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """The limits of a batch: its number of messages, its window, and the bytes of its event.

    https://docs.aws.amazon.com/lambda/latest/api/API_EventSourceMappingConfiguration.html
    """

    size: int
    window_seconds: float = 0
    event_bytes: int = MAX_EVENT
    drains: bool = False
    """Whether a batch goes on to receive, also after its window, until nothing more waits."""


class Batches(Generic[T]):
    """Makes batches of the messages that `receive` returns.

    `receive` takes the most messages to return and the seconds to wait for the first. `weigh` gives
    the bytes of a message in the event, `order` the key by which messages are sorted.

    Messages for which a batch has no room come first in the next batch.
    """

    def __init__(
        self,
        limits: BatchLimits,
        receive: Callable[[int, int], Awaitable[list[T]]],
        weigh: Callable[[T], int],
        stopping: asyncio.Event,
        order: Callable[[T], int] | None = None,
    ) -> None:
        self._limits = limits
        self._order = order
        self._receive = receive
        self._weigh = weigh
        self._stopping = stopping
        self._waiting: list[tuple[T, int]] = []  # with their weights

    async def next(self, *, wait_seconds: int) -> list[T]:
        """The next batch; empty if no message comes within `wait_seconds`.

        If `receive` raises, the messages that have come so far stay for the next call.
        """
        if not self._waiting:
            self._add(await self._receive(self._limits.size, wait_seconds))
        end = _now() + self._limits.window_seconds
        while self._waiting and not self._is_full and not self._stopping.is_set():
            left = end - _now()
            if left <= 0 and not self._limits.drains:
                break
            more = await self._receive(self._limits.size - len(self._waiting), 0)
            self._add(more)
            if not more and left <= 0:
                break
            if not more:
                await self._pause(min(SHORT_POLL_SECONDS, left))
        return self._take(self._room())

    def take_all(self) -> list[T]:
        """Take the messages that have come and are in no batch. The caller is responsible for them
        from now on."""
        return self._take(len(self._waiting))

    def put_first(self, messages: Iterable[T]) -> None:
        """Put these messages at the front of the next batch."""
        self._waiting = [*self._weighed(messages), *self._waiting]

    @property
    def waiting(self) -> Iterator[T]:
        """The messages that have come and are in no batch."""
        return (message for message, _ in self._waiting)

    @property
    def holds_any(self) -> bool:
        """Whether there are messages that have come and are in no batch."""
        return bool(self._waiting)

    @property
    def _is_full(self) -> bool:
        is_heavy = self._event_bytes(len(self._waiting)) > self._limits.event_bytes
        return is_heavy or len(self._waiting) >= self._limits.size

    def _room(self) -> int:
        """How many of the waiting messages fit into one event; the first one always counts."""
        number = min(len(self._waiting), self._limits.size)
        while number > 1 and self._event_bytes(number) > self._limits.event_bytes:
            number -= 1
        return number

    def _event_bytes(self, number: int) -> int:
        records = sum(weight for _, weight in self._waiting[:number])
        return AROUND_RECORDS + records + BETWEEN_RECORDS * max(number - 1, 0)

    def _add(self, messages: list[T]) -> None:
        self._waiting += self._weighed(messages)
        if (order := self._order) is not None:
            self._waiting.sort(key=lambda each: order(each[0]))

    def _weighed(self, messages: Iterable[T]) -> Iterator[tuple[T, int]]:
        return ((message, self._weigh(message)) for message in messages)

    def _take(self, number: int) -> list[T]:
        taken, self._waiting = self._waiting[:number], self._waiting[number:]
        return [message for message, _ in taken]

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()
