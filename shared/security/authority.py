from dataclasses import dataclass
from typing import Self
from uuid import UUID

from shared.security.access_tokens import AccessClaims


@dataclass(frozen=True, slots=True)
class Authority:
    """On whose authority a socket is open, and until when.

    `session_id`, `epoch` and `expires_at` (seconds since 1970) are those of the access token;
    None where a trusted gateway named the user.
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
