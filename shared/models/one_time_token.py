from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, UtcDateTime, database_now, partial_index, words


class TokenPurpose(StrEnum):
    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a purpose, no password
    CHANGE_EMAIL = "change_email"
    UNDO_EMAIL_CHANGE = "undo_email_change"


class OneTimeToken(Base):
    """A token sent to a mailbox; only its SHA-256 is kept.

    While a token that undoes a change of address works, `reserved_address` (in the form that makes
    an address unique) belongs to nobody but its owner.
    """

    __tablename__ = "one_time_tokens"
    __table_args__ = (
        Index("ix_one_time_tokens_expired", "purpose", "expires_at"),
        partial_index("ix_one_time_tokens_used", "expires_at", where="consumed_at IS NOT NULL"),
        partial_index(
            "ix_one_time_tokens_reserved_address",
            "reserved_address",
            where="reserved_address IS NOT NULL",
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    purpose: Mapped[TokenPurpose] = mapped_column(words(TokenPurpose, "purpose"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    email: Mapped[str | None] = mapped_column(String(254))
    reserved_address: Mapped[str | None] = mapped_column(String(254))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    consumed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
