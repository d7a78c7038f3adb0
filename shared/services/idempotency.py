import hashlib
import json
import re
from typing import Any

from shared.errors import InvalidIdempotencyKey

# The header is a structured field's string, in quotes (RFC 9651 section 3.3.3); many clients send
# the bare key. A bare comma is refused: gateways join two headers of one name with it.
QUOTED = re.compile(r'"((?:[\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"')
BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x7e]+")
MAX_LENGTH = 255


def parse_key(header: str | None) -> str | None:
    """The key of an Idempotency-Key header, if there is one. A key is the same quoted and bare.

    Raises:
        InvalidIdempotencyKey: not exactly one key of 1 to 255 visible ASCII characters.
    """
    if header is None:
        return None
    text = header.strip(" \t")
    if quoted := QUOTED.fullmatch(text):
        key = re.sub(r"\\(.)", r"\1", quoted[1])
    elif BARE.fullmatch(text):
        key = text
    else:
        raise InvalidIdempotencyKey
    if len(key) > MAX_LENGTH:
        raise InvalidIdempotencyKey
    return key


def fingerprint(method: str, path: str, body: dict[str, Any]) -> bytes:
    """A hash that distinguishes the repetition of a request from another request with its key."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(f"{method} {path}\n{canonical}".encode()).digest()
