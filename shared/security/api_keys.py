import hashlib
import secrets
from dataclasses import dataclass

from shared.errors import InvalidToken
from shared.security import base64url

PREFIX = "lw_"  # lets scanners find a key that leaked
KEY_BYTES = 32
HINT_CHARACTERS = 4


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """An API key that a request brings, as the database keeps it. Anybody may have made it up."""

    fingerprint: bytes


def create() -> str:
    """A random key, shown once and stored only as its fingerprint."""
    return PREFIX + base64url.encode(secrets.token_bytes(KEY_BYTES))


def is_one(token: str) -> bool:
    return token.startswith(PREFIX)


def present(token: str) -> PresentedKey:
    """
    Raises:
        InvalidToken: the text is not the one form of a key.
    """
    try:
        random_bytes = base64url.decode(token.removeprefix(PREFIX))
    except ValueError:
        raise InvalidToken from None
    if not is_one(token) or len(random_bytes) != KEY_BYTES:
        raise InvalidToken
    # 256 random bits need no slow hash; and whoever measures how long the search for one takes
    # learns of a hash, from which no key follows.
    return PresentedKey(hashlib.sha256(token.encode()).digest())


def hint(token: str) -> str:
    """What its owner recognises a key by."""
    return token[-HINT_CHARACTERS:]
