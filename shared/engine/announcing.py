"""The doorbell of a new task. Who made the task waits for nothing else after the commit."""

from uuid import UUID

from shared.database import Asked
from shared.engine import transitions
from shared.engine.dispatching import ring
from shared.models.task import Task
from shared.singletons import singleton

MOST_NOTED = 100


class Announcements:
    """Rings for new tasks, and notes it along with the next task that this process makes.

    What is never noted, since no other task comes or the process ends, the sweep rings for once
    more if the task still waits. Nobody can watch a task that was not there yet, so there is nobody
    to tell of its first state.
    """

    def __init__(self) -> None:
        self._rung: set[UUID] = set()

    async def announce(self, task: Task) -> None:
        """Ring, after the commit of the task. A failure is only logged: the sweep rings."""
        if await ring(task) and len(self._rung) < MOST_NOTED:
            self._rung.add(task.id)

    async def note(self, asked: Asked) -> frozenset[UUID]:
        """Write, in a transaction that creates a task, for which earlier ones the doorbell rang.
        Once that is committed, `forget` what this returns."""
        rung = frozenset(self._rung)
        if rung:
            await transitions.mark_rung(asked, rung)
        return rung

    def forget(self, noted: frozenset[UUID]) -> None:
        self._rung -= noted


@singleton
def announcements() -> Announcements:
    return Announcements()
