"""The queries of the purge over all accounts, each limited to a batch."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.auth_event import AuthEvent
from shared.models.task import Task
from shared.models.user import User, UserStatus

BATCH = 100


async def due(
    session: AsyncSession, *, deleted_before: datetime, pending_since: datetime
) -> Sequence[UUID]:
    """Accounts that were deleted, or were opened and never confirmed, this long ago."""
    found = await session.scalars(
        select(User.id).where(_is_due(deleted_before, pending_since)).order_by(User.id).limit(BATCH)
    )
    return found.all()


async def task_ids(session: AsyncSession, user_id: UUID) -> Sequence[UUID]:
    return (await session.scalars(select(Task.id).where(Task.user_id == user_id))).all()


async def erase(
    session: AsyncSession, user_id: UUID, *, deleted_before: datetime, pending_since: datetime
) -> bool:
    """Delete an account; the database's cascade deletes what it owns. False if it is no longer
    due."""
    erased = await session.scalar(
        delete(User)
        .where(User.id == user_id, _is_due(deleted_before, pending_since))
        .returning(User.id)
        .execution_options(synchronize_session=False)
    )
    return erased is not None


async def prune_auth_events(session: AsyncSession, *, before: datetime) -> None:
    await session.execute(delete(AuthEvent).where(AuthEvent.occurred_at <= before))


def _is_due(deleted_before: datetime, pending_since: datetime) -> ColumnElement[bool]:
    return or_(
        User.deleted_at <= deleted_before,
        and_(User.status == UserStatus.PENDING, User.created_at <= pending_since),
    )
