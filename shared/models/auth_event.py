from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, UtcDateTime, database_now, words


class AuthEventKind(StrEnum):
    REGISTER = "register"
    VERIFY = "verify"
    VERIFICATION_RESEND = "verification_resend"
    LOGIN = "login"
    REFRESH = "refresh"
    LOGOUT = "logout"
    SESSION_REVOKE = "session_revoke"
    REAUTHENTICATE = "reauthenticate"
    PASSWORD_CHANGE = "password_change"  # noqa: S105 - a kind of event, no password
    PASSWORD_FORGOT = "password_forgot"  # noqa: S105
    PASSWORD_RESET = "password_reset"  # noqa: S105
    EMAIL_CHANGE = "email_change"
    EMAIL_CONFIRM = "email_confirm"
    PROFILE_UPDATE = "profile_update"
    ACCOUNT_DELETE = "account_delete"
    API_KEY_CREATE = "api_key_create"
    API_KEY_REVOKE = "api_key_revoke"


class AuthEvent(Base):
    """What somebody did to an account, or tried to do. Rows are added and pruned, never changed.

    `outcome` is "success" or the code of the error in the answer. `subject` is the pseudonym of the
    e-mail address in the request, known or not. There is no foreign key, since the history outlives
    the account.
    """

    __tablename__ = "auth_events"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    occurred_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now(), index=True)
    kind: Mapped[AuthEventKind] = mapped_column(words(AuthEventKind, "kind"))
    outcome: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[UUID | None] = mapped_column(index=True)
    session_id: Mapped[UUID | None] = mapped_column()
    subject: Mapped[str | None] = mapped_column(String(64), index=True)
    ip: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(255))
    request_id: Mapped[str | None] = mapped_column(String(64))
