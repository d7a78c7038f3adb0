from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, UtcDateTime, database_now


class ApiKey(Base):
    """A key with which a program acts for its owner; only its SHA-256 is kept. A row that is gone
    is a key that was revoked.

    `made_by` is the sign-in that made it: no reference, since a key outlives its sign-in. `scopes`
    is a list with spaces between, as RFC 6749, section 3.3, writes one. `hint` is the key's last
    characters.
    """

    __tablename__ = "api_keys"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    made_by: Mapped[UUID] = mapped_column()
    name: Mapped[str] = mapped_column(String(100))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    hint: Mapped[str] = mapped_column(String(4))
    scopes: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=database_now())
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
