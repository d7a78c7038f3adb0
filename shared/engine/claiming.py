"""Which task begins next. A doorbell says only that some task waits; the database decides which.

Waiting tasks begin in the order of `turn_at`. The tasks of one user are spaced apart in that line,
so that many tasks of one user do not hold up another's, and no user runs more at once than the plan
allows. A doorbell may find only tasks of users who run as many as they may. It is then used up, and
one of those tasks waits without a doorbell until another task of its owner ends
(`next_without_doorbell`) or the sweep finds it.
"""

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import Select, bindparam, literal_column, select, update

from shared.database import Asked, connection
from shared.engine import transitions
from shared.engine.transitions import TASKS
from shared.models.base import table_of
from shared.models.task import Task
from shared.models.user import User

USERS = table_of(User)


async def begin_next(*, worker_id: str) -> Task | None:
    """Claim the first task in line; None if no task may begin now."""
    skip_locked = True
    while True:
        async with connection() as asked:
            task_id = await asked.scalar(_first_in_line(skip_locked=skip_locked))
            if task_id is not None:
                # Another worker may have been quicker; then the next in line is looked for.
                if task := await transitions.claim(asked, task_id, worker_id=worker_id):
                    return task
            elif not skip_locked:
                await _use_doorbell_up(asked)
                return None
        skip_locked = False


async def next_without_doorbell(asked: Asked, owner_id: UUID) -> Task | None:
    """A task of this owner that may begin now that another has ended, and has no doorbell."""
    found = await asked.execute(_without_doorbell(), {"the_owner": owner_id})
    row = found.one_or_none()
    return Task(**row._mapping) if row else None


@cache
def _without_doorbell() -> Select[Any]:
    return (
        select(*TASKS.c)
        .where(
            *transitions.is_due(),
            transitions.has_room(),
            TASKS.c.user_id == bindparam("the_owner"),
            TASKS.c.dispatched_at.is_(None),
        )
        .order_by(TASKS.c.turn_at)
        .limit(1)
    )


@cache
def _first_in_line(*, skip_locked: bool) -> Select[UUID]:
    """Lock the owner too: of two claims at once, the second then counts what the first began."""
    return (
        select(TASKS.c.id)
        .join(USERS, USERS.c.id == TASKS.c.user_id)
        .where(*transitions.is_due(), transitions.has_room())
        .order_by(TASKS.c.turn_at)
        .limit(literal_column("1"))
        .with_for_update(of=USERS, key_share=True, skip_locked=skip_locked)
    )


async def _use_doorbell_up(asked: Asked) -> None:
    """Mark the first task that waits for others of its owner: it has no doorbell any more."""
    blocked = (
        select(TASKS.c.id)
        .where(*transitions.is_due(), TASKS.c.dispatched_at.is_not(None))
        .order_by(TASKS.c.turn_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    await asked.execute(update(TASKS).where(TASKS.c.id.in_(blocked)).values(dispatched_at=None))
