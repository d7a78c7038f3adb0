"""The queries of the purge over all accounts, each limited to a batch."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.one_time_token import OneTimeToken
from shared.models.session import UserSession
from shared.models.task import Task
from shared.models.user import User, UserStatus
from shared.repositories.one_time_tokens import unused

BATCH = 25  # on SQLite, a batch of tasks holds up every other writer


@dataclass(frozen=True)
class Deadlines:
    """An account is due that was deleted, or was opened and never confirmed, at these times or
    earlier, and that no link can confirm or bring back now."""

    deleted_before: datetime
    pending_since: datetime
    now: datetime

    def has_passed(self) -> ColumnElement[bool]:
        """No link to a deleted account is made that works longer than the account is kept, except
        one to undo a change of address, and that only before the deletion. So an account that is
        due stays due, and can be erased piece by piece."""
        return and_(or_(self._closed(), self._unconfirmed()), self._is_beyond_recall())

    def closed(self) -> Select[UUID]:
        """Deleted accounts that are due, in a fixed order."""
        return _ids(self._closed(), self._is_beyond_recall()).order_by(User.deleted_at, User.id)

    def unconfirmed(self) -> Select[UUID]:
        """Unconfirmed accounts that are due, in a fixed order."""
        return _ids(self._unconfirmed(), self._is_beyond_recall()).order_by(
            User.created_at, User.id
        )

    def _closed(self) -> ColumnElement[bool]:
        return User.deleted_at <= self.deleted_before

    def _unconfirmed(self) -> ColumnElement[bool]:
        return and_(User.status == UserStatus.PENDING, User.created_at <= self.pending_since)

    def _is_beyond_recall(self) -> ColumnElement[bool]:
        return ~exists().where(OneTimeToken.user_id == User.id, *unused(self.now))


async def due(session: AsyncSession, accounts: Select[UUID], *, skipped: int) -> Sequence[UUID]:
    """The first accounts after `skipped` ones: each kind has an index of its own, which an OR of
    both could not enter."""
    return (await session.scalars(accounts.offset(skipped).limit(BATCH))).all()


async def some_tasks(session: AsyncSession, user_id: UUID, deadlines: Deadlines) -> Sequence[UUID]:
    """A batch of the tasks of an account, if it is due."""
    found = (
        select(Task.id)
        .join(User, User.id == Task.user_id)
        .where(User.id == user_id, deadlines.has_passed())
        .order_by(Task.created_at)
        .limit(BATCH)
    )
    return (await session.scalars(found)).all()


async def erase_tasks(
    session: AsyncSession, user_id: UUID, task_ids: Collection[UUID], deadlines: Deadlines
) -> bool:
    """Delete tasks of an account; the database's cascade deletes what refers to them. False if the
    account is no longer due."""
    if not await _lock(session, user_id, deadlines):
        return False
    await session.execute(
        delete(Task)
        .where(Task.id.in_(task_ids), Task.user_id == user_id)
        .execution_options(synchronize_session=False)
    )
    return True


async def erase_some_sessions(session: AsyncSession, user_id: UUID, deadlines: Deadlines) -> bool:
    """Delete a batch of an account's sign-ins. Returns whether there may be more."""
    if not await _lock(session, user_id, deadlines):
        return False
    some = select(UserSession.id).where(UserSession.user_id == user_id).limit(BATCH)
    erased = await session.scalars(
        delete(UserSession)
        .where(UserSession.id.in_(some))
        .returning(UserSession.id)
        .execution_options(synchronize_session=False)
    )
    return len(erased.all()) >= BATCH


async def erase(session: AsyncSession, user_id: UUID, deadlines: Deadlines) -> bool:
    """Delete an account; the database's cascade deletes what it still owns. False if it is no
    longer due."""
    if not await _lock(session, user_id, deadlines):
        return False
    await session.execute(
        delete(User).where(User.id == user_id).execution_options(synchronize_session=False)
    )
    return True


async def _lock(session: AsyncSession, user_id: UUID, deadlines: Deadlines) -> bool:
    """Whether the account is due, and stays so until this transaction ends: whoever adds a link
    holds the lock until it can be seen."""
    await session.execute(select(User.id).where(User.id == user_id).with_for_update())
    found = await session.scalar(_ids(User.id == user_id, deadlines.has_passed()))
    return found is not None


def _ids(*conditions: ColumnElement[bool]) -> Select[UUID]:
    return select(User.id).where(*conditions)
