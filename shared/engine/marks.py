"""Notes of which states watchers have been told, written for many tasks at once."""

import asyncio
import logging
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from shared.database import connection
from shared.engine import transitions
from shared.errors import Unavailable
from shared.models.task import Task
from shared.singletons import singleton

logger = logging.getLogger(__name__)


MANY = 16


class Marks:
    """Of many attempts that end one after the other, one writes what all of them have noted.

    A mark that is lost does no harm: the sweep publishes what has none, and watchers see each state
    once.
    """

    def __init__(self) -> None:
        self._noted: dict[UUID, int] = {}
        self._writing = asyncio.Lock()

    @property
    def are_many(self) -> bool:
        return len(self._noted) >= MANY

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
                async with connection(alone=True) as asked:
                    await transitions.mark_published(asked, noted)
            except (SQLAlchemyError, Unavailable) as error:
                logger.warning(
                    "It was not noted that states were published",
                    extra={"tasks": len(noted), "error": str(error)},
                )


@singleton
def marks() -> Marks:
    return Marks()
