from dataclasses import dataclass
from datetime import datetime
from typing import Self
from uuid import UUID

from shared.security.access_tokens import AccessClaims


@dataclass(frozen=True, slots=True)
class Authority:
    """On whose authority a socket is open, and until when.

    `session_id`, `epoch` and `expires_at` (seconds since 1970) are those of the access token; with
    an API key, its own id and end, and the account's present epoch. They are None where a trusted
    gateway named the user, and `expires_at` is for a key that does not end.
    """

    user_id: UUID
    session_id: UUID | None = None
    epoch: int | None = None
    expires_at: int | None = None

    @classmethod
    def of(cls, user_id: UUID, claims: AccessClaims | None) -> Self:
        if claims is None:
            return cls(user_id)
        expires_at = int(claims.expires_at.timestamp())
        return cls(user_id, claims.session_id, claims.epoch, expires_at)

    @classmethod
    def of_key(cls, key_id: UUID, user_id: UUID, epoch: int, expires_at: datetime | None) -> Self:
        ends = None if expires_at is None else int(expires_at.timestamp())
        return cls(user_id, key_id, epoch, ends)
