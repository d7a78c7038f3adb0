from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.base import database_now
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.models.user import Plan, Subscription, User
from shared.plans import Period

BATCH = 50


class SubscriptionRepository:
    """The subscriptions of one user, and what the user has made of them."""

    def __init__(self, session: AsyncSession, *, user_id: UUID) -> None:
        self._session = session
        self._user_id = user_id

    async def lock_owner(self) -> User | None:
        """Make everybody else who asks for this user wait until the transaction ends.

        The account's row is the lock, not the subscription's: a period that ends replaces the
        latter, and whoever had waited for it would find none. It leaves room for rows that refer
        to the account. SQLite has one writer at a time, and no such words.
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

    async def next_turn(self, *, apart_seconds: float, head_start_seconds: float) -> datetime:
        """When a task made now has its turn: so long before others' of now, but that much after
        the last of the same owner's. The owner is locked, so no two get the same."""
        now, last = (
            await self._session.execute(
                select(database_now(-head_start_seconds), func.max(Task.turn_at)).where(
                    *self._unfinished()
                )
            )
        ).one()
        return max(now, last + timedelta(seconds=apart_seconds)) if last else now

    def _unfinished(self) -> tuple[ColumnElement[bool], ...]:
        return (
            Task.user_id == self._user_id,
            Task.status.in_((TaskStatus.QUEUED, TaskStatus.PROCESSING)),
        )


def overdue(now: datetime) -> Select[UUID]:
    """The owners of live subscriptions whose period is over, a limited batch at a time."""
    return (
        select(Subscription.user_id)
        .where(Subscription.ended_at.is_(None), Subscription.period_end <= now)
        .order_by(Subscription.period_end)
        .limit(BATCH)
    )
