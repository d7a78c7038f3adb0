"""For how long the oldest task has waited. Health asks it and loads no entities for it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, String, column, func, select, table

from shared.database import rows
from shared.models.base import UtcDateTime, database_now
from shared.models.task_status import TaskStatus

MOST_LOOKED_AT = 100

_TASKS: Any = table(
    "tasks",
    column("status", String),
    column("turn_at", UtcDateTime),
    column("next_attempt_at", UtcDateTime),
)


def oldest_due(most: int) -> ScalarSelect[datetime | None]:
    """Since when the task that waits longest has been due, of the first `most` in line; NULL if
    none is."""
    tasks = _TASKS.c
    line = (
        select(tasks.next_attempt_at)
        .where(tasks.status == TaskStatus.QUEUED.value)
        .order_by(tasks.turn_at)
        .limit(most)
        .subquery()
    )
    due = line.c.next_attempt_at <= database_now()
    return select(func.min(line.c.next_attempt_at)).where(due).scalar_subquery()


async def oldest_due_seconds() -> float:
    """For how long the task that waits longest has been due, of the first MOST_LOOKED_AT in line; 0
    if none is.

    Raises:
        Unavailable: the database is away.
    """
    found = await rows(select(oldest_due(MOST_LOOKED_AT), database_now()), {})
    return age(*found[0])


def age(oldest: datetime | None, now: datetime) -> float:
    """The seconds between the two, by the same clock; 0 without `oldest`."""
    return max((now - oldest).total_seconds(), 0.0) if oldest else 0.0
