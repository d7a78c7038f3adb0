"""The queries of the purge over all accounts, each limited to a batch."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.auth_event import AuthEvent
from shared.models.one_time_token import OneTimeToken
from shared.models.task import Task
from shared.models.user import User, UserStatus
from shared.repositories.one_time_tokens import unused

BATCH = 100


async def due(
    session: AsyncSession, *, deleted_before: datetime, pending_since: datetime, now: datetime
) -> Sequence[UUID]:
    """Accounts that were deleted, or were opened and never confirmed, this long ago, and that no
    link can confirm or bring back now."""
    found = await session.scalars(
        select(User.id)
        .where(_is_due(deleted_before, pending_since, now))
        .order_by(User.id)
        .limit(BATCH)
    )
    return found.all()


async def task_ids(session: AsyncSession, user_id: UUID) -> Sequence[UUID]:
    return (await session.scalars(select(Task.id).where(Task.user_id == user_id))).all()


async def erase(
    session: AsyncSession,
    user_id: UUID,
    *,
    deleted_before: datetime,
    pending_since: datetime,
    now: datetime,
) -> bool:
    """Delete an account; the database's cascade deletes what it owns. False if it is no longer
    due."""
    # Whoever adds a link holds this lock until it can be seen.
    await session.execute(select(User.id).where(User.id == user_id).with_for_update())
    erased = await session.scalar(
        delete(User)
        .where(User.id == user_id, _is_due(deleted_before, pending_since, now))
        .returning(User.id)
        .execution_options(synchronize_session=False)
    )
    return erased is not None


async def prune_auth_events(session: AsyncSession, *, before: datetime) -> None:
    await session.execute(delete(AuthEvent).where(AuthEvent.occurred_at <= before))


def _is_due(
    deleted_before: datetime, pending_since: datetime, now: datetime
) -> ColumnElement[bool]:
    """No link to a deleted account is made that works longer than the account is kept, except one
    to undo a change of address, and that only before the deletion. So an account that is due stays
    due, and its pictures can be deleted before it."""
    can_come_back = exists().where(OneTimeToken.user_id == User.id, *unused(now))
    return and_(
        or_(
            User.deleted_at <= deleted_before,
            and_(User.status == UserStatus.PENDING, User.created_at <= pending_since),
        ),
        ~can_come_back,
    )
