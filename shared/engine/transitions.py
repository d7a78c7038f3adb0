"""The life of a task: every arrow is one guarded UPDATE and one event, in the caller's transaction,
and an end is also promised to the task's webhook.

    queued ──claim──► processing ──complete──► completed
      │ ▲               │  │ └──fail, lose_lease──► failed
      │ └──retry_later──┘  │
      │    release         │
      │    lose_lease      └──acknowledge_cancel, lose_lease──► cancelled
      ├──cancel──► cancelled
      └──expire──► expired

A function that returns None lost a race: the task is no longer where the arrow starts, and nothing
was written. The holder of a lease names its token; a token that was taken away matches no row. Only
the database's clock measures leases and waits.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, case, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from shared import settings
from shared.engine import webhooks
from shared.engine.task_payload import task_payload
from shared.models.base import database_now
from shared.models.stored_picture import StoredPicture
from shared.models.task import Outbox, OutboxKind, Task, TaskEvent
from shared.models.task_status import TaskStatus

# A doorbell is timed by the broker's clock and may ring a little before the database's.
EARLY_SECONDS = 0.5

WORKER_LOST = {"code": "worker_lost", "message": "The worker stopped while it ran the task."}

NO_LEASE = {"lease_token": None, "lease_expires_at": None, "worker_id": None}

# The updated row replaces the session's copy of it; nothing else needs to be synchronised.
RETURN_FRESH = {"synchronize_session": False, "populate_existing": True}


@dataclass(frozen=True)
class Lease:
    """The right to write to a task, as long as its token stands in the row."""

    task_id: UUID
    token: UUID


async def create(session: AsyncSession, task: Task) -> Task:
    """Write a new task and, in the same transaction, the promise to ring for it."""
    given = {name: value for name, value in vars(task).items() if not name.startswith("_")}
    # One statement writes the row and reads what the database put there.
    found = await session.scalars(insert(Task).values(**given).returning(Task))
    created = found.one()
    _record(session, created)
    _promise_doorbell(session, created)
    return created


async def claim(session: AsyncSession, task_id: UUID, *, worker_id: str) -> Task | None:
    """Begin an attempt. It is counted before it runs, so a task that kills its workers runs out of
    attempts."""
    return await _transition(
        session,
        Task.id == task_id,
        *is_due(),
        has_room(),
        status=TaskStatus.PROCESSING,
        attempt=Task.attempt + 1,
        progress=0.0,
        error=None,
        worker_id=worker_id,
        lease_token=uuid4(),
        lease_expires_at=_lease_end(),
    )


def is_due() -> tuple[ColumnElement[bool], ...]:
    """Whether a task waits and its time has come."""
    return (
        Task.status == TaskStatus.QUEUED,
        Task.next_attempt_at <= database_now(EARLY_SECONDS),
        Task.queued_deadline > database_now(),
        Task.attempt < Task.max_attempts,
    )


@cache
def has_room() -> ColumnElement[bool]:
    """Whether the owner runs fewer tasks than the plan allows at once."""
    running = aliased(Task)
    count = (
        select(func.count())
        .select_from(running)
        .where(running.user_id == Task.user_id, running.status == TaskStatus.PROCESSING)
        .correlate(Task)
        .scalar_subquery()
    )
    return count < Task.runs_at_once


async def renew_leases(session: AsyncSession, leases: Collection[Lease]) -> set[Lease]:
    """Hold these tasks longer. This writes no event, since watchers do not see it.

    Returns the leases that were renewed: not those that are lost, nor those whose tasks another
    transaction is changing, since one that waits for several rows may wait for ever.
    """
    free = select(Task.id).where(*_held_by(leases)).with_for_update(skip_locked=True)
    renewed = await session.execute(
        update(Task)
        .where(Task.id.in_(free))
        .values(lease_expires_at=_lease_end())
        .returning(Task.id, Task.lease_token)
        .execution_options(synchronize_session=False)
    )
    return {Lease(task_id, token) for task_id, token in renewed if token is not None}


async def held(session: AsyncSession, leases: Collection[Lease]) -> dict[Lease, bool]:
    """Those of the leases that still hold their tasks, and whether the owner asked to cancel."""
    found = await session.execute(
        select(Task.id, Task.lease_token, Task.cancel_requested_at).where(*_held_by(leases))
    )
    return {
        Lease(task_id, token): cancelled is not None
        for task_id, token, cancelled in found
        if token is not None
    }


async def record_progress(session: AsyncSession, lease: Lease, progress: float) -> Task | None:
    """Progress only rises within an attempt."""
    return await _transition(session, *_held(lease), Task.progress < progress, progress=progress)


async def complete(session: AsyncSession, lease: Lease, picture: StoredPicture) -> Task | None:
    """The picture is stored. A task whose owner asked to cancel it cannot complete any more."""
    return await _transition(
        session,
        *_held(lease),
        _not_cancelled(),
        progress=1.0,
        result=picture,
        **_end(TaskStatus.COMPLETED),
    )


async def fail(session: AsyncSession, lease: Lease, error: dict[str, Any]) -> Task | None:
    """Give up for good. `error` has a code, a message for the owner and `retryable`."""
    return await _transition(
        session, *_held(lease), _not_cancelled(), error=error, **_end(TaskStatus.FAILED)
    )


async def retry_later(
    session: AsyncSession, lease: Lease, error: dict[str, Any], *, delay_seconds: float
) -> Task | None:
    """Queue the task for another attempt, if it has one left."""
    return await _requeue(
        session,
        *_held(lease),
        _not_cancelled(),
        Task.attempt < Task.max_attempts,
        error=error,
        next_attempt_at=database_now(delay_seconds),
        queued_deadline=_queue_end(delay_seconds),
    )


async def release(session: AsyncSession, lease: Lease) -> Task | None:
    """Give the task back unfinished, because the worker stops; the attempt does not count."""
    return await _requeue(session, *_held(lease), _not_cancelled(), attempt=Task.attempt - 1)


async def cancel(session: AsyncSession, task_id: UUID, *, owner_id: UUID) -> Task | None:
    """Cancel a waiting task at once; ask the worker of a running one to stop."""
    waits = Task.status == TaskStatus.QUEUED
    return await _transition(
        session,
        Task.id == task_id,
        Task.user_id == owner_id,
        Task.status.in_((TaskStatus.QUEUED, TaskStatus.PROCESSING)),
        _not_cancelled(),
        cancel_requested_at=database_now(),
        status=case((waits, TaskStatus.CANCELLED), else_=Task.status),
        finished_at=case((waits, database_now()), else_=None),
    )


async def acknowledge_cancel(session: AsyncSession, lease: Lease) -> Task | None:
    """The worker has stopped as it was asked to."""
    return await _transition(
        session, *_held(lease), Task.cancel_requested_at.is_not(None), **_end(TaskStatus.CANCELLED)
    )


async def lose_lease(session: AsyncSession, task_id: UUID) -> Task | None:
    """Take the task from a worker that no longer renews its lease."""
    lost = and_(
        Task.id == task_id,
        Task.status == TaskStatus.PROCESSING,
        Task.lease_expires_at <= database_now(),
    )
    return (
        await _transition(
            session, lost, Task.cancel_requested_at.is_not(None), **_end(TaskStatus.CANCELLED)
        )
        or await _requeue(
            session,
            lost,
            _not_cancelled(),
            Task.attempt < Task.max_attempts,
            error={**WORKER_LOST, "retryable": True},
        )
        or await _transition(
            session,
            lost,
            _not_cancelled(),
            error={**WORKER_LOST, "retryable": False},
            **_end(TaskStatus.FAILED),
        )
    )


async def expire(session: AsyncSession, task_id: UUID) -> Task | None:
    """End a task that no worker began in time."""
    return await _transition(
        session,
        Task.id == task_id,
        Task.status == TaskStatus.QUEUED,
        Task.queued_deadline <= database_now(),
        error={
            "code": "expired",
            "message": "The task waited too long to be run.",
            "retryable": False,
        },
        **_end(TaskStatus.EXPIRED),
    )


async def mark_published(session: AsyncSession, task_id: UUID, sequence: int) -> None:
    """Note how far watchers have been told."""
    await session.execute(
        update(Task)
        .where(Task.id == task_id, Task.published_sequence < sequence)
        .values(published_sequence=sequence)
        .execution_options(synchronize_session=False)
    )


async def mark_dispatched(session: AsyncSession, task_id: UUID, sequence: int) -> None:
    """Note that the doorbell rang for a task that was queued with this sequence."""
    await session.execute(
        update(Task)
        .where(
            Task.id == task_id,
            Task.status == TaskStatus.QUEUED,
            Task.sequence == sequence,
        )
        .values(dispatched_at=database_now())
        .execution_options(synchronize_session=False)
    )
    await session.execute(
        update(Outbox)
        .where(
            Outbox.task_id == task_id,
            Outbox.sequence <= sequence,
            Outbox.done_at.is_(None),
        )
        .values(done_at=database_now())
        .execution_options(synchronize_session=False)
    )


async def _transition(
    session: AsyncSession, *guard: ColumnElement[bool], **values: Any
) -> Task | None:
    task = await session.scalar(
        update(Task)
        .where(*guard)
        .values(sequence=Task.sequence + 1, updated_at=database_now(), **values)
        .returning(Task)
        .execution_options(**RETURN_FRESH)
    )
    if task is not None:
        _record(session, task)
        await webhooks.promise(session, task)
        await session.flush()
    return task


async def _requeue(
    session: AsyncSession, *guard: ColumnElement[bool], **values: Any
) -> Task | None:
    waiting = {
        "status": TaskStatus.QUEUED,
        "progress": 0.0,
        "next_attempt_at": database_now(),
        "queued_deadline": _queue_end(),
        "dispatched_at": None,
        **NO_LEASE,
    }
    task = await _transition(session, *guard, **{**waiting, **values})
    if task is not None:
        _promise_doorbell(session, task)
    return task


def _end(status: TaskStatus) -> dict[str, Any]:
    return {"status": status, "finished_at": database_now(), **NO_LEASE}


def _held(lease: Lease) -> tuple[ColumnElement[bool], ...]:
    return (
        Task.id == lease.task_id,
        Task.status == TaskStatus.PROCESSING,
        Task.lease_token == lease.token,
    )


def _held_by(leases: Collection[Lease]) -> tuple[ColumnElement[bool], ...]:
    return (
        Task.id.in_([lease.task_id for lease in leases]),
        Task.status == TaskStatus.PROCESSING,
        Task.lease_token.in_([lease.token for lease in leases]),
    )


def _not_cancelled() -> ColumnElement[bool]:
    return Task.cancel_requested_at.is_(None)


def _lease_end() -> database_now:
    return database_now(settings.tasks().lease_seconds)


def _queue_end(delay_seconds: float = 0) -> database_now:
    return database_now(delay_seconds + settings.tasks().queue_timeout_seconds)


def _record(session: AsyncSession, task: Task) -> None:
    session.add(TaskEvent(task_id=task.id, sequence=task.sequence, payload=task_payload(task)))


def _promise_doorbell(session: AsyncSession, task: Task) -> None:
    session.add(
        Outbox(
            kind=OutboxKind.DISPATCH,
            task_id=task.id,
            sequence=task.sequence,
            available_at=task.next_attempt_at,
        )
    )
