"""Whose turn it is. A doorbell says only that a task waits; which one begins, the database says.

Each user's waiting tasks stand in line some way apart (`turn_at`), so that many of one do not keep
another's waiting, and no user runs more at once than the plan allows. A doorbell that finds only
tasks of such users is used up: theirs stand without one, until a task of their owner has ended
(`next_without_doorbell`) or the sweep comes by.
"""

from functools import cache
from uuid import UUID

from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import transaction
from shared.engine import transitions
from shared.models.task import Task
from shared.models.user import User


async def begin_next(*, worker_id: str) -> Task | None:
    """Claim the task whose turn it is; None: no task may begin now."""
    skip_locked = True
    while True:
        async with transaction() as session:
            task_id = await session.scalar(_first_in_line(skip_locked=skip_locked))
            if task_id is not None:
                # Another worker may have been quicker; then somebody else's turn has come.
                if task := await transitions.claim(session, task_id, worker_id=worker_id):
                    return task
            elif not skip_locked:
                await _use_doorbell_up(session)
                return None
        skip_locked = False


async def next_without_doorbell(session: AsyncSession, owner_id: UUID) -> Task | None:
    """A task that its owner's others kept from beginning, now that one of them has ended."""
    return await session.scalar(
        select(Task)
        .where(
            *transitions.is_due(),
            transitions.has_room(),
            Task.user_id == owner_id,
            Task.dispatched_at.is_(None),
        )
        .order_by(Task.turn_at)
        .limit(1)
    )


@cache
def _first_in_line(*, skip_locked: bool) -> Select[UUID]:
    """The owner is locked: of two claims at once, the second counts what the first began."""
    return (
        select(Task.id)
        .join(User, User.id == Task.user_id)
        .where(*transitions.is_due(), transitions.has_room())
        .order_by(Task.turn_at)
        .limit(1)
        .with_for_update(of=User, key_share=True, skip_locked=skip_locked)
    )


async def _use_doorbell_up(session: AsyncSession) -> None:
    """Take the doorbell from the first of those that wait for their owner's others."""
    blocked = (
        select(Task.id)
        .where(*transitions.is_due(), Task.dispatched_at.is_not(None))
        .order_by(Task.turn_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    await session.execute(
        update(Task)
        .where(Task.id.in_(blocked))
        .values(dispatched_at=None)
        .execution_options(synchronize_session=False)
    )
