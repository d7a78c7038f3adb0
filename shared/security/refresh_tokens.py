import hashlib
import hmac
import struct
from dataclasses import dataclass
from uuid import UUID

from shared.errors import InvalidRefreshToken
from shared.security import base64url
from shared.security.keys import keys

PREFIX = "rt1_"
LAYOUT = struct.Struct(">B16sI32s")  # key version, session, generation, MAC
SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """The parts of a token. Anybody may have made it, unless `is_authentic` is true."""

    key_version: int
    session_id: UUID
    generation: int
    mac: bytes

    def is_authentic(self, salt: bytes) -> bool:
        """Whether it was derived here for the session that has this salt."""
        key = keys().refresh.find(self.key_version)
        return key is not None and hmac.compare_digest(
            self.mac, _mac(key.value, self.key_version, self.session_id, self.generation, salt)
        )


def derive(session_id: UUID, generation: int, salt: bytes) -> str:
    """The token of a session's generation. It is derived whenever it is needed, and never stored.

    Deriving it needs the secret key and the session's salt, so neither the keys alone nor a copy of
    the database alone is enough.
    """
    key = keys().refresh.current
    mac = _mac(key.value, key.version, session_id, generation, salt)
    return PREFIX + base64url.encode(LAYOUT.pack(key.version, session_id.bytes, generation, mac))


def parse(text: str) -> RefreshToken:
    """Raises InvalidRefreshToken for a text that is not the form of a refresh token."""
    if not text.startswith(PREFIX):
        raise InvalidRefreshToken
    try:
        version, session, generation, mac = LAYOUT.unpack(
            base64url.decode(text.removeprefix(PREFIX))
        )
    except (ValueError, struct.error):
        raise InvalidRefreshToken from None
    return RefreshToken(version, UUID(bytes=session), generation, mac)


def fingerprint(token: str) -> bytes:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode()).digest()


def _mac(key: bytes, version: int, session_id: UUID, generation: int, salt: bytes) -> bytes:
    named = struct.pack(">B16sI", version, session_id.bytes, generation)
    return hmac.digest(key, named + salt, "sha256")
