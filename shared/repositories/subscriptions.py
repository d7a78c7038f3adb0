from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Executable,
    Select,
    bindparam,
    func,
    select,
    true,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import execute
from shared.models.base import database_now, table_of
from shared.models.task import Task
from shared.models.task_status import UNFINISHED
from shared.models.user import Plan, Subscription, User
from shared.plans import Period
from shared.repositories.sign_ins import Standing

BATCH = 50


class Line(NamedTuple):
    """A user's live subscription, with the tasks that wait or run, and the place in line of the
    last of them; `now` is the database's."""

    subscription_id: UUID
    plan: Plan
    period_end: datetime
    tasks_used: int
    now: datetime
    at_once: int
    last_turn: datetime | None

    def next_turn(self, *, apart_seconds: float, head_start_seconds: float) -> datetime:
        """The place in line (`turn_at`) of a task made now: `head_start_seconds` before now, but
        `apart_seconds` after the last one."""
        turn = self.now - timedelta(seconds=head_start_seconds)
        if self.last_turn is None:
            return turn
        return max(turn, self.last_turn + timedelta(seconds=apart_seconds))


# What every new task asks: built once, of columns.
_LOCKED = (
    select(User.status, User.deleted_at)
    .where(User.id == bindparam("user_id"))
    .with_for_update(key_share=True)
)
_unfinished = (
    select(func.count().label("at_once"), func.max(Task.turn_at).label("last_turn"))
    .where(Task.user_id == bindparam("user_id"), Task.status.in_(UNFINISHED))
    .subquery()
)
_LINE = (
    select(
        Subscription.id,
        Subscription.plan,
        Subscription.period_end,
        Subscription.tasks_used,
        database_now(),
        _unfinished.c.at_once,
        _unfinished.c.last_turn,
    )
    .join(_unfinished, true())
    .where(Subscription.user_id == bindparam("user_id"), Subscription.ended_at.is_(None))
)
_subscriptions = table_of(Subscription)
_COUNTED = (
    update(_subscriptions)
    .where(_subscriptions.c.id == bindparam("subscription"))
    .values(tasks_used=_subscriptions.c.tasks_used + 1)
)


class SubscriptionRepository:
    """The subscriptions of one user and their usage."""

    def __init__(self, session: AsyncSession, *, user_id: UUID) -> None:
        self._session = session
        self._user_id = user_id

    async def lock_owner(self) -> Standing | None:
        """Lock the user until the transaction ends; None if there is no such user.

        The lock is on the account's row, not on the subscription's, which is replaced when its
        period ends. It permits inserting rows that refer to the account. SQLite needs no such lock,
        since it has one writer at a time.
        """
        found = await self._ask(_LOCKED, {"user_id": self._user_id})
        row = found.one_or_none()
        return None if row is None else Standing._make(row)

    async def live(self) -> Subscription | None:
        return await self._session.scalar(
            select(Subscription).where(
                Subscription.user_id == self._user_id, Subscription.ended_at.is_(None)
            )
        )

    async def first_start(self) -> datetime:
        """When the first period of this user began. There is a subscription, live or past."""
        query = select(func.min(Subscription.period_start))
        found = await self._session.execute(query.where(Subscription.user_id == self._user_id))
        return found.scalar_one()

    async def begin(self, plan: Plan, period: Period, *, tasks_used: int = 0) -> Subscription:
        subscription = Subscription(
            user_id=self._user_id,
            plan=plan,
            period_start=period.start,
            period_end=period.end,
            tasks_used=tasks_used,
        )
        self._session.add(subscription)
        await self._session.flush()
        return subscription

    async def end(self, subscription: Subscription, *, now: datetime) -> None:
        subscription.ended_at = now
        await self._session.flush()  # before its successor is inserted: one is live at a time

    async def tasks_at_once(self) -> int:
        """How many tasks wait or run now."""
        counted = select(func.count()).select_from(Task).where(*self._unfinished())
        return await self._session.scalar(counted) or 0

    async def line(self) -> Line | None:
        """The live subscription and the tasks that wait or run now. The owner is locked, so no two
        tasks get the same place."""
        row = (await self._ask(_LINE, {"user_id": self._user_id})).one_or_none()
        return None if row is None else Line._make(row)

    async def count_task(self, subscription_id: UUID) -> None:
        """Count one more task of the period."""
        await self._ask(_COUNTED, {"subscription": subscription_id})

    async def _ask(self, statement: Executable, parameters: Mapping[str, Any]) -> CursorResult[Any]:
        await self._session.flush()  # what it holds back
        return await execute(self._session, statement, parameters)

    def _unfinished(self) -> tuple[ColumnElement[bool], ...]:
        return (
            Task.user_id == self._user_id,
            Task.status.in_(UNFINISHED),
        )


def overdue(now: datetime) -> Select[UUID]:
    """The owners of live subscriptions whose period is over, a limited batch at a time."""
    return (
        select(Subscription.user_id)
        .where(Subscription.ended_at.is_(None), Subscription.period_end <= now)
        .order_by(Subscription.period_end)
        .limit(BATCH)
    )
