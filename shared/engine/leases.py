"""Keeps the leases of all attempts that this process runs, and sees who must not go on."""

import asyncio
import logging
import math
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from shared import settings
from shared.database import connection
from shared.engine import transitions
from shared.engine.marks import marks
from shared.engine.outcomes import Interrupted
from shared.engine.transitions import Lease
from shared.errors import Unavailable
from shared.singletons import singleton

logger = logging.getLogger(__name__)

CANCEL_CHECK_SECONDS = 1.0


class LeaseKeeper:
    """Looks at all leases at once: what it asks of the database does not grow with the number of
    attempts. It works only while there is a lease to keep."""

    def __init__(self) -> None:
        self._kept: dict[Lease, asyncio.Future[Interrupted]] = {}
        self._unrenewed: set[Lease] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._idle = asyncio.Event()

    @property
    def any(self) -> bool:
        """Whether an attempt runs."""
        return bool(self._kept)

    def keep(self, lease: Lease) -> asyncio.Future[Interrupted]:
        """Renew the lease until it is let go. The answer comes once its attempt must not go on."""
        interruption = asyncio.get_running_loop().create_future()
        self._kept[lease] = interruption
        if self._keeping is None:
            self._idle = asyncio.Event()
            self._keeping = asyncio.create_task(self._keep(self._idle))
        return interruption

    def let_go(self, lease: Lease) -> "asyncio.Future[None]":
        """Ask for this lease no more. The answer comes when no question for it is under way, unless
        other leases are kept."""
        del self._kept[lease]
        if not self._kept and self._keeping is not None:
            last, self._keeping = self._keeping, None
            self._idle.set()
            return asyncio.shield(last)  # what asks the database is not cancelled
        nothing = asyncio.get_running_loop().create_future()
        nothing.set_result(None)
        return nothing

    async def _keep(self, idle: asyncio.Event) -> None:
        renewal_seconds = settings.tasks().lease_renewal_seconds
        looks = math.ceil(renewal_seconds / CANCEL_CHECK_SECONDS)
        look = 0
        while not await _happens(idle, within=renewal_seconds / looks):
            look = (look + 1) % looks
            await self._look(list(self._kept), renew=look == 0)
            await marks().write()  # of attempts that last

    async def _look(self, leases: Sequence[Lease], *, renew: bool) -> None:
        due = set(leases) & self._unrenewed if not renew else set(leases)
        try:
            if due:
                async with connection() as asked:
                    renewed = await transitions.renew_leases(asked, due)
                self._unrenewed = due - renewed
            async with connection(writing=False) as asked:
                held = await transitions.held(asked, leases)
        except (SQLAlchemyError, Unavailable) as error:
            logger.warning("Leases were not renewed", extra={"error": str(error)})
            self._unrenewed = due
            return
        for lease in leases:
            if lease not in held:
                self._interrupt(lease, Interrupted.LEASE_LOST)
            elif held[lease]:
                self._interrupt(lease, Interrupted.CANCEL_REQUESTED)

    def _interrupt(self, lease: Lease, interruption: Interrupted) -> None:
        waiting = self._kept.get(lease)
        if waiting is not None and not waiting.done():
            waiting.set_result(interruption)


async def _happens(event: asyncio.Event, *, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            return await event.wait()
    except TimeoutError:
        return False


@singleton
def leases() -> LeaseKeeper:
    return LeaseKeeper()
