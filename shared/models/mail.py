from datetime import datetime
from enum import StrEnum
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, UtcDateTime, database_now, words


class MailKind(StrEnum):
    VERIFY_EMAIL = "verify_email"
    RESEND_VERIFICATION = "resend_verification"
    ALREADY_REGISTERED = "already_registered"
    RESET_PASSWORD = "reset_password"  # noqa: S105 - a kind of mail, no password
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    CONFIRM_EMAIL_CHANGE = "confirm_email_change"
    EMAIL_CHANGED = "email_changed"
    ACCOUNT_DELETED = "account_deleted"
    SESSION_REUSED = "session_reused"
    API_KEY_CREATED = "api_key_created"


class OutgoingMail(Base):
    """A mail that must be sent because its transaction committed. The row is deleted once it is
    sent.

    It holds no token: the sender makes that of the link, with the purpose and owner of the token
    `token_id`, or for the account that `address` has at that moment. A `password_hash` is that of a
    sign-up, whose account the sender opens.

    `asker` says who asked for it, as limits count; None if the account's own history is the reason.
    """

    __tablename__ = "outgoing_mails"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    kind: Mapped[MailKind] = mapped_column(words(MailKind, "kind"))
    address: Mapped[str] = mapped_column(String(254), index=True)
    asker: Mapped[str | None] = mapped_column(String(64))
    password_hash: Mapped[str | None] = mapped_column(String(255))
    token_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("one_time_tokens.id", ondelete="CASCADE"), index=True
    )
    attempts: Mapped[int] = mapped_column(default=0)
    available_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now(), index=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now(), index=True)


class MailboxMessage(Base):
    """A mail that a developer reads here instead of in a real mailbox."""

    __tablename__ = "mailbox_messages"
    __table_args__ = (Index("ix_mailbox_messages_recipient", "recipient", "received_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    recipient: Mapped[str] = mapped_column(String(254))
    subject: Mapped[str] = mapped_column(String(255))
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now(), index=True)
