from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, LargeBinary, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, UtcDateTime, database_now, partial_index, words

MAX_URL_CHARACTERS = 2000  # PostgreSQL indexes no more than about 2700 bytes


class WebhookSecret(Base):
    """What signs a user's webhooks. The secret itself is not kept: it is derived from a secret key
    of the application, the user and `salt`.

    The one without `expires_at` is current; an earlier one signs too until it expires.
    """

    __tablename__ = "webhook_secrets"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)


class WebhookEndpoint(Base):
    """A URL that a user has webhooks sent to, and the place of its deliveries in line.

    Of all endpoints with something to send, the one that has been due for longest is served next,
    by one sender at a time: so an endpoint that does not answer holds up nothing but itself.
    `due_at` is none while nothing waits, and never before `busy_until`, which ends the turn of a
    sender (whose name is `lease_token`) or a pause that the receiver asked for. `failures` counts
    the failed attempts since the last success.
    """

    __tablename__ = "webhook_endpoints"
    __table_args__ = (
        UniqueConstraint("user_id", "url"),
        partial_index("ix_webhook_endpoints_due", "due_at", where="due_at IS NOT NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    url: Mapped[str] = mapped_column(String(MAX_URL_CHARACTERS))
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    busy_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease_token: Mapped[UUID | None] = mapped_column()
    failures: Mapped[int] = mapped_column(default=0)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now(), index=True)


class DeliveryStatus(StrEnum):
    """`failed`: its attempts are used up. `disabled`: the receiver wants no more (410)."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    DISABLED = "disabled"


class WebhookDelivery(Base):
    """The promise to tell a receiver how a task ended, written in the transaction that ended it.

    Its id is the webhook-id of each attempt. The body is made from the task at each attempt, since
    a task that has ended does not change; with the task its delivery is deleted too.
    """

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        partial_index(
            "ix_webhook_deliveries_pending",
            "endpoint_id",
            "next_attempt_at",
            where="status = 'pending'",
        ),
        Index("ix_webhook_deliveries_owner", "user_id", "created_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"))
    endpoint_id: Mapped[UUID] = mapped_column(
        ForeignKey("webhook_endpoints.id", ondelete="CASCADE"), index=True
    )
    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id", ondelete="CASCADE"), index=True)
    event_type: Mapped[str] = mapped_column(String(32))
    status: Mapped[DeliveryStatus] = mapped_column(
        words(DeliveryStatus, "status"), default=DeliveryStatus.PENDING
    )
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    last_status: Mapped[int | None] = mapped_column()
    last_error: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
