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

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache, lru_cache
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Connection,
    FromClause,
    Label,
    Update,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningInsert

from shared import settings
from shared.database import Asked
from shared.engine import webhooks
from shared.engine.task_payload import task_payload
from shared.models.base import database_now, table_of, values_of
from shared.models.stored_picture import StoredPicture
from shared.models.task import Outbox, OutboxKind, Task, TaskEvent
from shared.models.task_status import TaskStatus

# A doorbell is timed by the broker's clock and may ring a little before the database's.
EARLY_SECONDS = 0.5

# For so long the sweep takes it that whoever made a task has rung for it.
RINGING_SECONDS = 5.0

WORKER_LOST = {"code": "worker_lost", "message": "The worker stopped while it ran the task."}

NOW = database_now()
NO_LEASE = {"lease_token": None, "lease_expires_at": None, "worker_id": None}

# A worker does little else than these statements. Over tables rather than entities, and built once
# where they are the same each time, they take a quarter of the processor time.
TASKS = table_of(Task)
OUTBOX = table_of(Outbox)
NEW_TASK = insert(TASKS)
NEW_EVENT = insert(table_of(TaskEvent))
NEW_PROMISE = insert(OUTBOX)


@dataclass(frozen=True)
class Lease:
    """The right to write to a task, as long as its token stands in the row."""

    task_id: UUID
    token: UUID


# What these hold of the statement is in `_named`.
HELD = (
    TASKS.c.id == bindparam("the_task"),
    TASKS.c.status == TaskStatus.PROCESSING,
    TASKS.c.lease_token == bindparam("the_token"),
)
NOT_CANCELLED = TASKS.c.cancel_requested_at.is_(None)


async def create(asked: Asked, task: Task, *, rings_at_once: bool = False) -> Task:
    """Write a new task and, in the same transaction, the promise to ring for it.

    Who `rings_at_once` after the commit need not note it at once: the sweep leaves the promise to
    it for a moment.
    """
    given = values_of(task)
    if rings_at_once:
        given["dispatched_at"] = NOW
    computed = {name: each for name, each in given.items() if isinstance(each, ClauseElement)}
    row = await asked.execute(
        _new_task(*computed.items()),
        {name: each for name, each in given.items() if name not in computed},
    )
    created = Task(**row.one()._mapping)
    grace = RINGING_SECONDS if rings_at_once else 0.0
    await asked.run_sync(_record, created, promise=True, grace_seconds=grace)
    return created


@lru_cache(maxsize=8)
def _new_task(*computed: tuple[str, ClauseElement]) -> ReturningInsert[Any]:
    """One statement writes the row and reads what the database put there."""
    return NEW_TASK.values(dict(computed)).returning(*TASKS.c)


async def claim(asked: Asked, task_id: UUID, *, worker_id: str) -> Task | None:
    """Begin an attempt. It is counted before it runs, so a task that kills its workers runs out of
    attempts."""
    return await _transition(
        asked,
        _claim(settings.tasks().lease_seconds),
        the_task=task_id,
        the_token=uuid4(),
        the_worker=worker_id,
    )


@cache
def _claim(lease_seconds: float) -> Update:
    return _arrow(
        TASKS.c.id == bindparam("the_task"),
        *is_due(),
        has_room(),
        status=TaskStatus.PROCESSING,
        attempt=TASKS.c.attempt + 1,
        progress=0.0,
        error=None,
        worker_id=bindparam("the_worker"),
        lease_token=bindparam("the_token"),
        lease_expires_at=database_now(lease_seconds),
    )


@cache
def is_due() -> tuple[ColumnElement[bool], ...]:
    """Whether a task waits and its time has come."""
    return (
        _is(TaskStatus.QUEUED),
        TASKS.c.next_attempt_at <= database_now(EARLY_SECONDS),
        TASKS.c.queued_deadline > database_now(),
        TASKS.c.attempt < TASKS.c.max_attempts,
    )


def _is(status: TaskStatus, tasks: FromClause = TASKS) -> ColumnElement[bool]:
    """Whether a task is there, as a part of the statement's text: of a parameter PostgreSQL does
    not know that an index of waiting tasks holds it, and would plan the statement each time."""
    return tasks.c.status == literal_column(f"'{status.value}'")


@cache
def has_room() -> ColumnElement[bool]:
    """Whether the owner runs fewer tasks than the plan allows at once."""
    running = TASKS.alias()
    count = (
        select(func.count())
        .select_from(running)
        .where(running.c.user_id == TASKS.c.user_id, _is(TaskStatus.PROCESSING, running))
        .correlate(TASKS)
        .scalar_subquery()
    )
    return count < TASKS.c.runs_at_once


async def renew_leases(asked: Asked, leases: Collection[Lease]) -> set[Lease]:
    """Hold these tasks longer. This writes no event, since watchers do not see it.

    Returns the leases that were renewed: not those that are lost, nor those whose tasks another
    transaction is changing, since one that waits for several rows may wait for ever.
    """
    free = select(TASKS.c.id).where(*_held_by(leases)).with_for_update(skip_locked=True)
    renewed = await asked.execute(
        update(TASKS)
        .where(TASKS.c.id.in_(free))
        .values(lease_expires_at=database_now(settings.tasks().lease_seconds))
        .returning(TASKS.c.id, TASKS.c.lease_token)
    )
    return {Lease(task_id, token) for task_id, token in renewed}


async def held(asked: Asked, leases: Collection[Lease]) -> dict[Lease, bool]:
    """Those of the leases that still hold their tasks, and whether the owner asked to cancel."""
    found = await asked.execute(
        select(TASKS.c.id, TASKS.c.lease_token, TASKS.c.cancel_requested_at).where(
            *_held_by(leases)
        )
    )
    return {Lease(task_id, token): cancelled is not None for task_id, token, cancelled in found}


async def record_progress(asked: Asked, lease: Lease, progress: float) -> Task | None:
    """Progress only rises within an attempt."""
    return await _transition(asked, _progress(), **_named(lease), the_progress=progress)


@cache
def _progress() -> Update:
    reached = bindparam("the_progress", type_=TASKS.c.progress.type)
    return _arrow(*HELD, TASKS.c.progress < reached, progress=reached)


async def complete(asked: Asked, lease: Lease, picture: StoredPicture) -> Task | None:
    """The picture is stored. A task whose owner asked to cancel it cannot complete any more."""
    return await _transition(asked, _complete(), **_named(lease), the_picture=picture)


@cache
def _complete() -> Update:
    return _arrow(
        *HELD,
        NOT_CANCELLED,
        progress=1.0,
        result=bindparam("the_picture"),
        **_end(TaskStatus.COMPLETED),
    ).returning(_owner_waits())


def _owner_waits() -> Label[bool]:
    """Whether any other task of this owner waits without a doorbell (shared/engine/claiming.py)."""
    waiting = TASKS.alias()
    found = (
        exists()
        .where(
            waiting.c.user_id == TASKS.c.user_id,
            _is(TaskStatus.QUEUED, waiting),
            waiting.c.dispatched_at.is_(None),
        )
        .correlate(TASKS)
    )
    return found.label("owner_waits")


async def fail(asked: Asked, lease: Lease, error: dict[str, Any]) -> Task | None:
    """Give up for good. `error` has a code, a message for the owner and `retryable`."""
    failed = _arrow(*HELD, NOT_CANCELLED, error=error, **_end(TaskStatus.FAILED))
    return await _transition(asked, failed, **_named(lease))


async def retry_later(
    asked: Asked, lease: Lease, error: dict[str, Any], *, delay_seconds: float
) -> Task | None:
    """Queue the task for another attempt, if it has one left."""
    waiting = _queue_again(
        *HELD,
        NOT_CANCELLED,
        TASKS.c.attempt < TASKS.c.max_attempts,
        error=error,
        next_attempt_at=database_now(delay_seconds),
        queued_deadline=_queue_end(delay_seconds),
    )
    return await _transition(asked, waiting, **_named(lease))


async def release(asked: Asked, lease: Lease) -> Task | None:
    """Give the task back unfinished, because the worker stops; the attempt does not count."""
    released = _queue_again(*HELD, NOT_CANCELLED, attempt=TASKS.c.attempt - 1)
    return await _transition(asked, released, **_named(lease))


async def cancel(asked: Asked, task_id: UUID, *, owner_id: UUID) -> Task | None:
    """Cancel a waiting task at once; ask the worker of a running one to stop."""
    waits = TASKS.c.status == TaskStatus.QUEUED
    cancelled = _arrow(
        TASKS.c.id == task_id,
        TASKS.c.user_id == owner_id,
        TASKS.c.status.in_((TaskStatus.QUEUED, TaskStatus.PROCESSING)),
        NOT_CANCELLED,
        cancel_requested_at=database_now(),
        status=case((waits, TaskStatus.CANCELLED), else_=TASKS.c.status),
        finished_at=case((waits, database_now()), else_=None),
    )
    return await _transition(asked, cancelled)


async def acknowledge_cancel(asked: Asked, lease: Lease) -> Task | None:
    """The worker has stopped as it was asked to."""
    stopped = _arrow(*HELD, ~NOT_CANCELLED, **_end(TaskStatus.CANCELLED))
    return await _transition(asked, stopped, **_named(lease))


async def lose_lease(asked: Asked, task_id: UUID) -> Task | None:
    """Take the task from a worker that no longer renews its lease."""
    lost = and_(
        TASKS.c.id == task_id,
        TASKS.c.status == TaskStatus.PROCESSING,
        TASKS.c.lease_expires_at <= database_now(),
    )
    again, never = {**WORKER_LOST, "retryable": True}, {**WORKER_LOST, "retryable": False}
    for ending in (
        _arrow(lost, ~NOT_CANCELLED, **_end(TaskStatus.CANCELLED)),
        _queue_again(lost, NOT_CANCELLED, TASKS.c.attempt < TASKS.c.max_attempts, error=again),
        _arrow(lost, NOT_CANCELLED, error=never, **_end(TaskStatus.FAILED)),
    ):
        if task := await _transition(asked, ending):
            return task
    return None


async def expire(asked: Asked, task_id: UUID) -> Task | None:
    """End a task that no worker began in time."""
    expired = _arrow(
        TASKS.c.id == task_id,
        TASKS.c.status == TaskStatus.QUEUED,
        TASKS.c.queued_deadline <= database_now(),
        error={
            "code": "expired",
            "message": "The task waited too long to be run.",
            "retryable": False,
        },
        **_end(TaskStatus.EXPIRED),
    )
    return await _transition(asked, expired)


async def mark_published(asked: Asked, told: Mapping[UUID, int]) -> None:
    """Note how far watchers have been told of these tasks: the sequence of each.

    A task that another transaction is changing is passed over, since one that waits for several
    rows may wait for ever; what it did not note, the sweep publishes again.
    """
    marks = [{"the_task": task_id, "the_sequence": last} for task_id, last in told.items()]
    await asked.execute(_told(), marks)


@cache
def _told() -> Update:
    sequence = bindparam("the_sequence", type_=TASKS.c.sequence.type)
    behind = (
        select(TASKS.c.id)
        .where(TASKS.c.id == bindparam("the_task"), TASKS.c.published_sequence < sequence)
        .with_for_update(skip_locked=True)
    )
    return (
        update(TASKS)
        .where(TASKS.c.id == behind.scalar_subquery())
        .values(published_sequence=sequence)
    )


async def mark_dispatched(asked: Asked, task_id: UUID, sequence: int) -> None:
    """Note that the doorbell rang for a task that was queued with this sequence."""
    await asked.execute(_dispatched(), {"the_task": task_id, "the_sequence": sequence})
    await asked.execute(_promise_kept(), {"the_task": task_id, "the_sequence": sequence})


async def mark_rung(asked: Asked, task_ids: Collection[UUID]) -> None:
    """Note that the doorbells of these new tasks rang. One that another transaction is noting is
    passed over, as by `mark_published`."""
    marks = [{"the_task": task_id} for task_id in task_ids]
    await asked.execute(_first_promise_kept(), marks)


@cache
def _first_promise_kept() -> Update:
    kept = (
        select(OUTBOX.c.id)
        .where(
            OUTBOX.c.task_id == bindparam("the_task"),
            OUTBOX.c.sequence == 1,
            OUTBOX.c.done_at.is_(None),
        )
        .with_for_update(skip_locked=True)
    )
    return (
        update(OUTBOX).where(OUTBOX.c.id == kept.scalar_subquery()).values(done_at=database_now())
    )


@cache
def _dispatched() -> Update:
    return (
        update(TASKS)
        .where(
            TASKS.c.id == bindparam("the_task"),
            TASKS.c.status == TaskStatus.QUEUED,
            TASKS.c.sequence == bindparam("the_sequence"),
        )
        .values(dispatched_at=database_now())
    )


@cache
def _promise_kept() -> Update:
    return (
        update(OUTBOX)
        .where(
            OUTBOX.c.task_id == bindparam("the_task"),
            OUTBOX.c.sequence <= bindparam("the_sequence"),
            OUTBOX.c.done_at.is_(None),
        )
        .values(done_at=database_now())
    )


def _arrow(*guard: ColumnElement[bool], **values: Any) -> Update:
    return (
        update(TASKS)
        .where(*guard)
        .values(sequence=TASKS.c.sequence + 1, updated_at=database_now(), **values)
        .returning(*TASKS.c)
    )


def _queue_again(*guard: ColumnElement[bool], **values: Any) -> Update:
    waiting = {
        "status": TaskStatus.QUEUED,
        "progress": 0.0,
        "next_attempt_at": database_now(),
        "queued_deadline": _queue_end(),
        "dispatched_at": None,
        **NO_LEASE,
    }
    return _arrow(*guard, **{**waiting, **values})


async def _transition(asked: Asked, arrow: Update, **parameters: Any) -> Task | None:
    task = await asked.run_sync(_go, arrow, parameters)
    if task is not None and task.webhook_url is not None:
        await webhooks.promise(asked, task)
    return task


def _go(within: Session | Connection, arrow: Update, parameters: Mapping[str, Any]) -> Task | None:
    row = _connection_of(within).execute(arrow, parameters).one_or_none()
    if row is None:
        return None
    task = Task(**row._mapping)
    _record(within, task, promise=task.status == TaskStatus.QUEUED)
    return task


def _end(status: TaskStatus) -> dict[str, Any]:
    return {"status": status, "finished_at": database_now(), **NO_LEASE}


def _named(lease: Lease) -> dict[str, UUID]:
    return {"the_task": lease.task_id, "the_token": lease.token}


def _held_by(leases: Collection[Lease]) -> tuple[ColumnElement[bool], ...]:
    return (
        TASKS.c.id.in_([lease.task_id for lease in leases]),
        TASKS.c.status == TaskStatus.PROCESSING,
        TASKS.c.lease_token.in_([lease.token for lease in leases]),
    )


def _queue_end(delay_seconds: float = 0) -> database_now:
    return database_now(delay_seconds + settings.tasks().queue_timeout_seconds)


def _connection_of(within: Session | Connection) -> Connection:
    """A session's own way, by its entities, takes twice as long."""
    return within.connection() if isinstance(within, Session) else within


def _record(
    within: Session | Connection, task: Task, *, promise: bool, grace_seconds: float = 0.0
) -> None:
    """Write the event of the state that `task` has reached, and the promise of a doorbell for one
    that waits."""
    connection = _connection_of(within)
    event = {"task_id": task.id, "sequence": task.sequence, "payload": task_payload(task)}
    connection.execute(NEW_EVENT, event)
    if promise:
        due = task.next_attempt_at + timedelta(seconds=grace_seconds)
        promised = {"task_id": task.id, "sequence": task.sequence, "available_at": due}
        connection.execute(NEW_PROMISE, {**promised, "kind": OutboxKind.DISPATCH})
