"""Notes of which states watchers have been told, written for many tasks at once."""

import asyncio
import logging
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from shared.database import transaction
from shared.engine import transitions
from shared.errors import Unavailable
from shared.models.task import Task
from shared.singletons import singleton

logger = logging.getLogger(__name__)


class Marks:
    """Of many attempts that end at once, one writes what all of them have noted.

    A mark that is lost does no harm: the sweep publishes what has none, and watchers see each state
    once.
    """

    def __init__(self) -> None:
        self._noted: dict[UUID, int] = {}
        self._writing = asyncio.Lock()

    def note(self, task: Task) -> None:
        """Remember that watchers were told of this state, until the next `write`."""
        self._noted[task.id] = max(task.sequence, self._noted.get(task.id, 0))

    async def write(self) -> None:
        """Return once everything that is noted has been written, or could not be."""
        async with self._writing:
            noted, self._noted = self._noted, {}
            if not noted:
                return
            try:
                async with transaction() as session:
                    await transitions.mark_published(session, noted)
            except (SQLAlchemyError, Unavailable) as error:
                logger.warning(
                    "It was not noted that states were published",
                    extra={"tasks": len(noted), "error": str(error)},
                )


@singleton
def marks() -> Marks:
    return Marks()
