from datetime import datetime
from uuid import UUID

from shared.schemas.base import ResponseBody


class SessionRead(ResponseBody):
    """A sign-in as its owner sees it; `current` is the one that sent this request."""

    id: UUID
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    current: bool


class SessionList(ResponseBody):
    items: list[SessionRead]
