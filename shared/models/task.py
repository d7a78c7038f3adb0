from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, Json, UtcDateTime, database_now, partial_index, words
from shared.models.stored_picture import StoredPicture, StoredPictureJson
from shared.models.task_status import TaskStatus
from shared.models.webhook import MAX_URL_CHARACTERS


class Task(Base):
    """A picture that a user asked for. Every transition is one guarded UPDATE of this row.

    `sequence` rises by one with each transition, in the transaction that writes the task_events
    row, so the row's lock makes the order of sequences the order of commits. `lease_token` fences a
    worker that lost its lease: its writes match no row. `published_sequence` is the last sequence
    that watchers were told. Waiting tasks begin in the order of `turn_at`, unless their owner
    already runs `runs_at_once` tasks; `dispatched_at` is set while a doorbell is on its way. Once a
    task has ended, `history_pruned_at` is empty for as long as its earlier events are kept.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        partial_index("ix_tasks_waiting", "turn_at", where="status = 'queued'"),
        partial_index("ix_tasks_leased", "lease_expires_at", where="status = 'processing'"),
        partial_index("ix_tasks_deadline", "queued_deadline", where="status = 'queued'"),
        partial_index("ix_tasks_rung", "dispatched_at", where="status = 'queued'"),
        partial_index("ix_tasks_unpublished", "updated_at", where="published_sequence < sequence"),
        partial_index(
            "ix_tasks_with_history",
            "finished_at",
            where="history_pruned_at IS NULL AND finished_at IS NOT NULL",
        ),
        Index("ix_tasks_owner", "user_id", "created_at", "id"),
        Index("ix_tasks_owner_status", "user_id", "status", "created_at", "id"),
        CheckConstraint("progress >= 0 AND progress <= 1", "progress_is_a_share"),
        CheckConstraint("published_sequence <= sequence", "published_what_exists"),
        CheckConstraint("attempt <= max_attempts", "attempts_are_limited"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    status: Mapped[TaskStatus] = mapped_column(
        words(TaskStatus, "status"), default=TaskStatus.QUEUED
    )
    sequence: Mapped[int] = mapped_column(BigInteger, default=1)
    published_sequence: Mapped[int] = mapped_column(BigInteger, default=0)
    attempt: Mapped[int] = mapped_column(default=0)
    max_attempts: Mapped[int] = mapped_column(default=3)
    turn_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    runs_at_once: Mapped[int] = mapped_column()
    prompt: Mapped[str] = mapped_column(Text)
    parameters: Mapped[dict[str, Any]] = mapped_column(Json)
    progress: Mapped[float] = mapped_column(default=0.0)
    result: Mapped[StoredPicture | None] = mapped_column(StoredPictureJson)
    error: Mapped[dict[str, Any] | None] = mapped_column(Json)
    request_id: Mapped[str | None] = mapped_column(String(64))
    queued_deadline: Mapped[datetime] = mapped_column(UtcDateTime)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    run_timeout_seconds: Mapped[float] = mapped_column()
    dispatched_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease_token: Mapped[UUID | None] = mapped_column()
    lease_expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    worker_id: Mapped[str | None] = mapped_column(String(100))
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    retry_of: Mapped[UUID | None] = mapped_column(
        ForeignKey("tasks.id", ondelete="SET NULL"), index=True
    )
    webhook_url: Mapped[str | None] = mapped_column(String(MAX_URL_CHARACTERS))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    history_pruned_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    # No column: what the statement that ended the task said about others of its owner.
    owner_waits = True


class TaskState(NamedTuple):
    """What of a task its owner sees, where no entity is needed."""

    id: UUID
    user_id: UUID
    status: TaskStatus
    sequence: int
    attempt: int
    max_attempts: int
    prompt: str
    parameters: dict[str, Any]
    progress: float
    result: StoredPicture | None
    error: dict[str, Any] | None
    request_id: str | None
    next_attempt_at: datetime
    cancel_requested_at: datetime | None
    retry_of: UUID | None
    webhook_url: str | None
    created_at: datetime
    updated_at: datetime


class TaskEvent(Base):
    """The task's whole state after one transition, as its watchers see it."""

    __tablename__ = "task_events"

    task_id: Mapped[UUID] = mapped_column(
        ForeignKey("tasks.id", ondelete="CASCADE"), primary_key=True
    )
    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())


class OutboxKind(StrEnum):
    DISPATCH = "dispatch"


class Outbox(Base):
    """A message that must be sent because its transaction committed."""

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("kind", "task_id", "sequence"),
        partial_index("ix_outbox_pending", "available_at", where="done_at IS NULL"),
        partial_index("ix_outbox_done", "done_at", where="done_at IS NOT NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[OutboxKind] = mapped_column(words(OutboxKind, "kind"))
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), index=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    available_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    attempts: Mapped[int] = mapped_column(default=0)
    lock_token: Mapped[UUID | None] = mapped_column()
    locked_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class IdempotencyKey(Base):
    """The answer given to the first request of a key, repeated to every later one."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(String(255), primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary(32))
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), index=True)
    status_code: Mapped[int] = mapped_column()
    body: Mapped[dict[str, Any]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
