from datetime import datetime

from sqlalchemy import LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from shared.models.base import Base, UtcDateTime


class RateLimitCounter(Base):
    """How often something happened within one window, counted here while Redis is away.

    `bucket` is a SHA-256, which reveals neither an address nor an account.
    """

    __tablename__ = "rate_limit_counters"

    bucket: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    window_start: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    count: Mapped[int] = mapped_column(default=1)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
