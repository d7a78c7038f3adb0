import hashlib
import secrets
from collections.abc import Iterable

from shared.errors import InvalidOrExpiredToken
from shared.models.one_time_token import TokenPurpose
from shared.security import base64url

TOKEN_BYTES = 32
# A prefix of its own lets scanners find a leaked token, and shows readers what it was for.
PREFIXES = {
    TokenPurpose.VERIFY_EMAIL: "ev1_",
    TokenPurpose.RESET_PASSWORD: "pr1_",
    TokenPurpose.CHANGE_EMAIL: "ec1_",
    TokenPurpose.UNDO_EMAIL_CHANGE: "eu1_",
}


def create(purpose: TokenPurpose) -> str:
    """A random token, sent once and stored only as its fingerprint."""
    return PREFIXES[purpose] + base64url.encode(secrets.token_bytes(TOKEN_BYTES))


def purpose_of(token: str, *, among: Iterable[TokenPurpose]) -> TokenPurpose:
    """Which of these purposes a token is for, by its prefix.

    Raises:
        InvalidOrExpiredToken: none of them.
    """
    for purpose in among:
        if token.startswith(PREFIXES[purpose]):
            return purpose
    raise InvalidOrExpiredToken


def fingerprint(token: str, purpose: TokenPurpose) -> bytes:
    """What the database keeps of a token: SHA-256, since 256 random bits need no slow hash.

    Raises:
        InvalidOrExpiredToken: the text is not the one form of a token of this purpose.
    """
    prefix = PREFIXES[purpose]
    try:
        random_bytes = base64url.decode(token.removeprefix(prefix))
    except ValueError:
        raise InvalidOrExpiredToken from None
    if not token.startswith(prefix) or len(random_bytes) != TOKEN_BYTES:
        raise InvalidOrExpiredToken
    return hashlib.sha256(token.encode()).digest()
