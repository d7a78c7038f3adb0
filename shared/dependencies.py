"""How long this process waits for the servers it asks, and what it remembers of one that hangs.

A server that is down refuses at once and needs nothing of this. One that hangs (a stopped process,
a network that loses packets, a full disk) takes the question and never answers: each process waits
for it once, remembers that for a moment, and then lets a single question through to see whether it
has come back. This is what is known as a circuit breaker.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.singletons import singleton

Name = Literal["database", "mail", "queue", "redis", "storage"]

# How long a server that gave no answer is left alone. Together with the longest wait for the
# question that finds it back, this is less than 5 seconds.
PAUSE_SECONDS = 2.0
# Waiting is counted in such steps, and a step that lasted longer counts as one: a process that got
# no processor time meanwhile must not hold that against the server.
STEP_SECONDS = 0.05


class NotAnswered(TimeoutError):
    """A server was not asked: it gave no answer of late, or this request waited for it enough."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait, in seconds: `request` for everything that one request asks of the server,
    `background` for one question of other work, None where the server's client has limits of its
    own.

    Other work asks a `needed` server even while it gives no answer, since there is nothing it can
    do without it.
    """

    request: float
    background: float | None
    needed: bool = False


# What people can do without has less time: a request that misses Redis and then the database must
# still be answered within 2 seconds.
PATIENCE: Mapping[Name, Patience] = {
    "database": Patience(request=1, background=30, needed=True),
    "mail": Patience(request=1, background=5),
    "queue": Patience(request=0.5, background=5),
    "redis": Patience(request=0.5, background=None),
    "storage": Patience(request=1, background=None, needed=True),
}


@dataclass(slots=True)
class _Request:
    """A request under way: how long it may wait for each server at most, and has waited so far."""

    longest: float
    waited: dict[str, float] = field(default_factory=dict)

    def left(self, name: str, patience: float) -> float:
        return min(self.longest, patience) - self.waited.get(name, 0)

    def add(self, name: str, seconds: float) -> None:
        self.waited[name] = self.waited.get(name, 0) + seconds


_request: ContextVar[_Request | None] = ContextVar("request", default=None)
_asked: ContextVar[frozenset[str]] = ContextVar("asked", default=frozenset())


@contextmanager
def one_request(*, longest: float = float("inf")) -> Iterator[None]:
    """What is asked within belongs to one request, which waits for no server longer than its
    patience, nor than `longest` seconds."""
    token = _request.set(_Request(longest))
    try:
        yield
    finally:
        _request.reset(token)


@contextmanager
def no_request() -> Iterator[None]:
    """What is asked within is no part of a request, although one may wait for it."""
    token = _request.set(None)
    try:
        yield
    finally:
        _request.reset(token)


class Wait:
    """Waiting for one answer, for so many seconds in which this process could have read it."""

    def __init__(self, seconds: float | None) -> None:
        self._seconds = seconds
        self._steps = 0
        self._limit = asyncio.timeout(None)
        self._next: asyncio.TimerHandle | None = None

    @property
    def most_waited(self) -> float:
        """No less than the seconds that count."""
        return (self._steps + 1) * STEP_SECONDS

    async def __aenter__(self) -> None:
        await self._limit.__aenter__()
        if self._seconds is not None:
            self._schedule(self._seconds)

    async def __aexit__(self, *error: Any) -> None:
        if self._next is not None:
            self._next.cancel()
        await self._limit.__aexit__(*error)

    def _schedule(self, left: float) -> None:
        loop = asyncio.get_running_loop()
        self._next = loop.call_later(min(left, STEP_SECONDS), self._step, left - STEP_SECONDS)

    def _step(self, left: float) -> None:
        self._steps += 1
        if left > 0:
            self._schedule(left)
        else:
            self._limit.reschedule(asyncio.get_running_loop().time())


class Dependency:
    """A server, as this process knows it."""

    def __init__(
        self, name: Name, patience: Patience, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.name = name
        self._patience = patience
        self._clock = clock
        self._asked_again_at: float | None = None  # set while it gives no answer

    @property
    def is_being_asked(self) -> bool:
        """Whether what runs now is within a question to it."""
        return self.name in _asked.get()

    @asynccontextmanager
    async def asked(self) -> AsyncIterator[None]:
        """Ask the server within, and wait no longer than its patience allows.

        A TimeoutError means that it gave no answer; any other end, that it did. To ask while asking
        is a part of the first question.

        Raises:
            NotAnswered: it must not be asked now.
            TimeoutError: it gave no answer in time.
        """
        if self.is_being_asked:
            yield
            return
        request = _request.get()
        seconds = self._seconds_for(request)
        token = _asked.set(_asked.get() | {self.name})
        wait, began = Wait(seconds), self._clock()
        try:
            async with wait:
                yield
        except TimeoutError:
            self._asked_again_at = self._clock() + PAUSE_SECONDS
            raise
        except Exception:  # a refusal is an answer, while a cancelled question has had none
            self._asked_again_at = None
            raise
        else:
            self._asked_again_at = None
        finally:
            _asked.reset(token)
            if request is not None:
                request.add(self.name, min(self._clock() - began, wait.most_waited))

    def _seconds_for(self, request: _Request | None) -> float | None:
        """How long this question may take.

        Raises:
            NotAnswered: it must not be asked.
        """
        again_at, now = self._asked_again_at, self._clock()
        waits = request is None and self._patience.needed
        if again_at is not None and not waits:
            if now < again_at:
                raise NotAnswered(f"The {self.name} gave no answer a moment ago.")
            # One question finds out whether it has come back; the others do not wait with it.
            self._asked_again_at = now + PAUSE_SECONDS
        if request is None:
            return self._patience.background
        left = request.left(self.name, self._patience.request)
        if left <= 0:
            raise NotAnswered(f"This request has waited for the {self.name} long enough.")
        return left


@singleton
def dependency(name: Name) -> Dependency:
    """The process's knowledge of a server."""
    return Dependency(name, PATIENCE[name])
