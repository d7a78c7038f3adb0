"""The queries of the sweep over all owners, each limited to a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    exists,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from shared.engine.transitions import has_room, is_due
from shared.models.base import database_now
from shared.models.task import Outbox, Task
from shared.models.task_status import TaskStatus
from shared.repositories.waiting import age, oldest_due

BATCH = 50
MOST_LOOKED_AT = 1_000
MOST_COUNTED = 10_000
OUTBOX_LOCK_SECONDS = 30


async def claim_outbox(session: AsyncSession) -> Sequence[Outbox]:
    """Outbox messages that are due, locked for this sweep so that no two sweeps send the same
    one."""
    due = (
        select(Outbox.id)
        .where(
            Outbox.done_at.is_(None),
            Outbox.available_at <= database_now(),
            or_(Outbox.locked_until.is_(None), Outbox.locked_until <= database_now()),
        )
        .order_by(Outbox.available_at)
        .limit(BATCH)
        .with_for_update(skip_locked=True)  # SQLite has one writer, and no such words
    )
    claimed = await session.scalars(
        update(Outbox)
        .where(Outbox.id.in_(due))
        .values(
            lock_token=uuid4(),
            locked_until=database_now(OUTBOX_LOCK_SECONDS),
            attempts=Outbox.attempts + 1,
        )
        .returning(Outbox)
        .execution_options(synchronize_session=False)
    )
    return claimed.all()


async def close_outbox(session: AsyncSession) -> None:
    """Settle overdue messages whose tasks wait no more: somebody has heard of them. It looks at the
    oldest alone, for while a broker is away all tasks wait that were made meanwhile."""
    waits = and_(Task.status == TaskStatus.QUEUED, Task.sequence == Outbox.sequence)
    oldest = (
        select(Outbox.id)
        .where(Outbox.done_at.is_(None), Outbox.available_at <= database_now())
        .order_by(Outbox.available_at)
        .limit(MOST_LOOKED_AT)
        .subquery()
    )
    needless = (
        select(Outbox.id)
        .join(oldest, oldest.c.id == Outbox.id)
        .join(Task, Task.id == Outbox.task_id)
        .where(Outbox.done_at.is_(None), ~waits)
        .with_for_update(of=Outbox, skip_locked=True)
    )
    await session.execute(
        update(Outbox)
        .where(Outbox.id.in_(needless))
        .values(done_at=database_now())
        .execution_options(synchronize_session=False)
    )


async def give_back(session: AsyncSession, promise: Outbox, error: str) -> None:
    """Leave the message to the next sweep."""
    await session.execute(
        update(Outbox)
        .where(Outbox.id == promise.id, Outbox.lock_token == promise.lock_token)
        .values(locked_until=None, last_error=error[:255])
        .execution_options(synchronize_session=False)
    )


def with_lost_lease() -> Select[UUID]:
    return _batch(
        Task.lease_expires_at,
        Task.status == TaskStatus.PROCESSING,
        Task.lease_expires_at <= database_now(),
    )


def overdue() -> Select[UUID]:
    return _batch(
        Task.queued_deadline,
        Task.status == TaskStatus.QUEUED,
        Task.queued_deadline <= database_now(),
    )


def unheard(seconds: float) -> Select[Task]:
    """Tasks whose doorbell rang so long ago that it must have been lost."""
    return (
        select(Task)
        .where(
            Task.status == TaskStatus.QUEUED,
            Task.next_attempt_at <= database_now(-seconds),
            Task.dispatched_at <= database_now(-seconds),
        )
        .order_by(Task.dispatched_at)
        .limit(BATCH)
    )


def without_doorbell() -> Select[Task]:
    """Tasks that may begin, and whose doorbell was used up while other tasks of the owner ran."""
    promised = exists().where(Outbox.task_id == Task.id, Outbox.done_at.is_(None))
    return (
        select(Task)
        .where(*is_due(), has_room(), Task.dispatched_at.is_(None), ~promised)
        .order_by(Task.turn_at)
        .limit(BATCH)
    )


def unpublished(seconds: float) -> Select[Task]:
    """Tasks whose newest state was not published."""
    return (
        select(Task)
        .where(Task.published_sequence < Task.sequence, Task.updated_at <= database_now(-seconds))
        .order_by(Task.updated_at)
        .limit(BATCH)
    )


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much work there is at this moment, by the database's clock."""

    queued: int
    processing: int
    stuck: int
    oldest_queued_seconds: float
    undispatched: int


async def backlog(session: AsyncSession, *, stuck_seconds: float) -> Backlog:
    """Count tasks that wait or run, tasks whose lease ran out `stuck_seconds` ago, and outbox
    messages that are overdue; measure how long the oldest task that may run has waited. Each counts
    to `MOST_COUNTED` at most, so that a sweep takes no longer when much waits."""
    waiting = Task.status == TaskStatus.QUEUED
    running = Task.status == TaskStatus.PROCESSING
    found = await session.execute(
        select(
            _number(Task.turn_at, waiting),
            _number(Task.lease_expires_at, running),
            _number(
                Task.lease_expires_at,
                running,
                Task.lease_expires_at <= database_now(-stuck_seconds),
            ),
            _number(
                Outbox.available_at,
                Outbox.done_at.is_(None),
                Outbox.available_at <= database_now(),
            ),
            oldest_due(MOST_COUNTED),
            database_now(),
        )
    )
    queued, processing, stuck, undispatched, oldest, now = found.one()
    return Backlog(queued, processing, stuck, age(oldest, now), undispatched)


def _number(
    order: InstrumentedAttribute[Any], *condition: ColumnElement[bool]
) -> ScalarSelect[int]:
    """In the order of an index that holds what is counted, or else SQLite reads one that holds
    everything."""
    counted = select(order).where(*condition).order_by(order).limit(MOST_COUNTED).subquery()
    return select(func.count()).select_from(counted).scalar_subquery()


def _batch(order: InstrumentedAttribute[Any], *condition: ColumnElement[bool]) -> Select[UUID]:
    return select(Task.id).where(*condition).order_by(order).limit(BATCH)
