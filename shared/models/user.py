from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, UtcDateTime, database_now, partial_index, words


class UserStatus(StrEnum):
    PENDING = "pending"
    ACTIVE = "active"
    DISABLED = "disabled"


class User(Base):
    """An account. `email` is as typed; `email_canonical` is the form that makes it unique.

    While the account is pending, its passwords are stored with the verification tokens: a token
    that comes back activates the password that was chosen with it.
    """

    __tablename__ = "users"
    __table_args__ = (
        partial_index("ix_users_closed", "deleted_at", where="deleted_at IS NOT NULL"),
        partial_index("ix_users_unconfirmed", "created_at", where="status = 'pending'"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    email: Mapped[str] = mapped_column(String(254))
    email_canonical: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    status: Mapped[UserStatus] = mapped_column(
        words(UserStatus, "status"), default=UserStatus.PENDING
    )
    auth_epoch: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    activated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class UserProfile(Base):
    __tablename__ = "user_profiles"

    user_id: Mapped[UUID] = mapped_column(
        ForeignKey("users.id", ondelete="CASCADE"), primary_key=True
    )
    display_name: Mapped[str | None] = mapped_column(String(100))
    locale: Mapped[str | None] = mapped_column(String(35))
    updated_at: Mapped[datetime] = mapped_column(
        UtcDateTime, default=database_now(), onupdate=database_now()
    )


class Plan(StrEnum):
    FREE = "free"
    PRO = "pro"


class Subscription(Base):
    """A plan for a period; the one without `ended_at` is the user's live subscription.

    `tasks_used` counts the tasks accepted in the period, including those deleted since.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (
        CheckConstraint("period_start < period_end", "period_has_a_length"),
        CheckConstraint("tasks_used >= 0", "use_is_counted_up"),
        partial_index("uq_subscriptions_live", "user_id", where="ended_at IS NULL", unique=True),
        partial_index("ix_subscriptions_overdue", "period_end", where="ended_at IS NULL"),
        partial_index("ix_subscriptions_past", "ended_at", where="ended_at IS NOT NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    plan: Mapped[Plan] = mapped_column(words(Plan, "plan"), default=Plan.FREE)
    period_start: Mapped[datetime] = mapped_column(UtcDateTime)
    period_end: Mapped[datetime] = mapped_column(UtcDateTime)
    tasks_used: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
