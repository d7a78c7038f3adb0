from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, UtcDateTime, database_now, partial_index, words


class RevokeReason(StrEnum):
    LOGOUT = "logout"
    NEW_LOGIN = "new_login"
    REUSE = "reuse"
    EVICTED = "evicted"
    PASSWORD_CHANGE = "password_change"  # noqa: S105 - a reason, no password
    PASSWORD_RESET = "password_reset"  # noqa: S105
    EMAIL_UNDO = "email_undo"
    ACCOUNT_DELETED = "account_deleted"


class UserSession(Base):
    """A sign-in and the family of its refresh tokens.

    The token of a generation is derived from a secret key, the session, `generation` and `salt`;
    only the hash of the current one is kept. A rotation moves `generation` on by compare-and-set.
    """

    __tablename__ = "user_sessions"
    __table_args__ = (
        partial_index(
            "ix_user_sessions_live", "user_id", "idle_expires_at", where="revoked_at IS NULL"
        ),
        partial_index("ix_user_sessions_ended", "revoked_at", where="revoked_at IS NOT NULL"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    generation: Mapped[int] = mapped_column(default=0)
    confirmed_generation: Mapped[int] = mapped_column(default=0)
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))
    refresh_token_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    attempt_hash: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    remember: Mapped[bool] = mapped_column(default=True)
    ip: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(255))
    auth_time: Mapped[datetime] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    rotated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    idle_expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    absolute_expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoke_reason: Mapped[RevokeReason | None] = mapped_column(words(RevokeReason, "revoke_reason"))
