from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.security import one_time_tokens


@dataclass(frozen=True, slots=True)
class ProvenMailbox:
    """Whose mailbox it is that a used token was sent to."""

    user_id: UUID
    email: str


def new_token(
    user_id: UUID,
    purpose: TokenPurpose,
    *,
    expires_at: datetime,
    password_hash: str | None = None,
    email: str | None = None,
    reserved_address: str | None = None,
) -> tuple[OneTimeToken, str]:
    """The row to store and the token to send, which the row does not contain."""
    token = one_time_tokens.create(purpose)
    row = OneTimeToken(
        id=uuid4(),
        user_id=user_id,
        purpose=purpose,
        token_hash=one_time_tokens.fingerprint(token, purpose),
        password_hash=password_hash,
        email=email,
        reserved_address=reserved_address,
        expires_at=expires_at,
    )
    return row, token


def token_like(pattern: OneTimeToken) -> tuple[OneTimeToken, str]:
    """As `new_token`, with everything but the secret like another row."""
    row, token = new_token(
        pattern.user_id,
        pattern.purpose,
        expires_at=pattern.expires_at,
        password_hash=pattern.password_hash,
        email=pattern.email,
        reserved_address=pattern.reserved_address,
    )
    row.created_at = pattern.created_at  # its age says which of two changes came first
    return row, token
