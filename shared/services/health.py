import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic, perf_counter
from typing import TypeVar

from redis.exceptions import RedisError

from shared import database
from shared.clients import objects
from shared.clients.redis_client import client
from shared.dependencies import Wait, one_request
from shared.errors import Unavailable
from shared.queues import presence
from shared.queues.registry import queue
from shared.repositories.waiting import oldest_due_seconds
from shared.schemas.health import Dependency, Health, Line, Workers
from shared.singletons import singleton

T = TypeVar("T")

logger = logging.getLogger(__name__)

# Whoever asks for it is told within a second.
ANSWER_SECONDS = 0.8
TIMEOUT_SECONDS = 0.9  # for what the patience for a dependency does not bound
REMEMBERED_SECONDS = 1.0
VITAL = "database"  # without it no request can be answered; without the others some can
# Workers that start, or that follow a new release, take less.
UNATTENDED_SECONDS = 15.0

NOT_KNOWN = Line(workers="unknown", oldest_waiting_seconds=None)

Check = Callable[[], Awaitable[object]]
LookAtLine = Callable[[], Awaitable[Line]]


CHECKS: Mapping[str, Check] = {
    "database": database.check,
    "redis": lambda: client().ping(),
    "queue": lambda: queue().check(),
    "storage": objects.check,
}


class RecentAnswer:
    """What was found out a moment ago, for all who ask meanwhile."""

    def __init__(
        self, examine: Callable[[], Awaitable[Health]], clock: Callable[[], float] = monotonic
    ) -> None:
        self._examine = examine
        self._clock = clock
        self._answer: Health | None = None
        self._found_at = 0.0

    async def get(self) -> Health:
        if self._answer is None or self._clock() - self._found_at >= REMEMBERED_SECONDS:
            self._answer, self._found_at = await self._examine(), self._clock()
        return self._answer


async def examine() -> Health:
    """The health of this moment, at most a second old."""
    return await recent_answer().get()


@singleton
def recent_answer() -> RecentAnswer:
    """The process's own."""
    return RecentAnswer(examine_now)


async def line() -> Line:
    """Who paints, and for how long what is due has waited."""
    workers, oldest = await asyncio.gather(_known(_workers), _known(oldest_due_seconds))
    return Line(workers=workers or "unknown", oldest_waiting_seconds=oldest)


async def examine_now(checks: Mapping[str, Check] = CHECKS, look: LookAtLine = line) -> Health:
    """Check every dependency at once, none for longer than the time limit, and then look at the
    line, if it can be read."""
    with one_request(longest=ANSWER_SECONDS):
        answers = await asyncio.gather(*(_ask(name, check) for name, check in checks.items()))
        dependencies = dict(zip(checks, answers, strict=True))
        is_readable = dependencies[VITAL].status == "ok"
        waiting = await look() if is_readable else NOT_KNOWN
    if dependencies[VITAL].status == "down":
        status = "down"
    elif all(each.status == "ok" for each in answers) and not _is_unattended(waiting):
        status = "ok"
    else:
        status = "degraded"
    return Health(status=status, dependencies=dependencies, tasks=waiting)


def _is_unattended(waiting: Line) -> bool:
    """Whether a task waits although nobody is there to paint it. That nobody is there while nothing
    waits is a start, or a change of workers."""
    return waiting.workers == "none" and (waiting.oldest_waiting_seconds or 0) > UNATTENDED_SECONDS


async def _workers() -> Workers:
    if not presence.is_known():
        return "on_demand"
    return "alive" if await presence.anybody() else "none"


async def _known(look: Callable[[], Awaitable[T]]) -> T | None:
    """What is found, or None while the server that knows it is away: its own check says so."""
    try:
        async with Wait(TIMEOUT_SECONDS):
            return await look()
    except (Unavailable, RedisError, OSError, TimeoutError):
        return None


async def _ask(name: str, check: Check) -> Dependency:
    started = perf_counter()
    try:
        async with Wait(TIMEOUT_SECONDS):  # a cold process is busy with its clients meanwhile
            await check()
    except Exception as error:  # whatever a driver raises, it means the same here
        logger.warning("A dependency is away", extra={"dependency": name, "error": repr(error)})
        return Dependency(status="down", latency_ms=None)
    return Dependency(status="ok", latency_ms=round((perf_counter() - started) * 1000, 2))
