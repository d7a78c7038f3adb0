import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic, perf_counter

from shared import database
from shared.clients import objects
from shared.clients.redis_client import client
from shared.dependencies import Wait, one_request
from shared.queues.registry import queue
from shared.schemas.health import Dependency, Health
from shared.singletons import singleton

logger = logging.getLogger(__name__)

# Whoever asks for it is told within a second.
ANSWER_SECONDS = 0.8
TIMEOUT_SECONDS = 0.9  # for what the patience for a dependency does not bound
REMEMBERED_SECONDS = 1.0
VITAL = "database"  # without it no request can be answered; without the others some can

Check = Callable[[], Awaitable[object]]


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


@singleton
def recent_answer() -> RecentAnswer:
    """The process's own."""
    return RecentAnswer(examine)


async def examine(checks: Mapping[str, Check] = CHECKS) -> Health:
    """Check every dependency at once, none for longer than the time limit."""
    with one_request(longest=ANSWER_SECONDS):
        answers = await asyncio.gather(*(_ask(name, check) for name, check in checks.items()))
    dependencies = dict(zip(checks, answers, strict=True))
    if dependencies[VITAL].status == "down":
        status = "down"
    else:
        status = "ok" if all(each.status == "ok" for each in answers) else "degraded"
    return Health(status=status, dependencies=dependencies)


async def _ask(name: str, check: Check) -> Dependency:
    started = perf_counter()
    try:
        async with Wait(TIMEOUT_SECONDS):  # a cold process is busy with its clients meanwhile
            await check()
    except Exception as error:  # whatever a driver raises, it means the same here
        logger.warning("A dependency is away", extra={"dependency": name, "error": repr(error)})
        return Dependency(status="down", latency_ms=None)
    return Dependency(status="ok", latency_ms=round((perf_counter() - started) * 1000, 2))
