from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.base import database_now
from shared.models.task import Task
from shared.models.task_status import UNFINISHED
from shared.models.user import Plan, Subscription, User
from shared.plans import Period

BATCH = 50


class Line(NamedTuple):
    """The tasks of one user that wait or run, and the place in line of the last of them; `now` is
    the database's."""

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


class SubscriptionRepository:
    """The subscriptions of one user and their usage."""

    def __init__(self, session: AsyncSession, *, user_id: UUID) -> None:
        self._session = session
        self._user_id = user_id

    async def lock_owner(self) -> User | None:
        """Lock the user until the transaction ends.

        The lock is on the account's row, not on the subscription's, which is replaced when its
        period ends. It permits inserting rows that refer to the account. SQLite needs no such lock,
        since it has one writer at a time.
        """
        return await self._session.scalar(
            select(User)
            .where(User.id == self._user_id)
            .with_for_update(key_share=True)
            .execution_options(populate_existing=True)
        )

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

    async def line(self) -> Line:
        """The owner's tasks that wait or run now. The owner is locked, so no two tasks get the same
        place."""
        found = await self._session.execute(
            select(database_now(), func.count(), func.max(Task.turn_at)).where(*self._unfinished())
        )
        return Line(*found.one())

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
