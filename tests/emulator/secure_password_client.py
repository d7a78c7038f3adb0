"""The client's side of signing in with a password that is not sent.

It follows https://github.com/amazon-archives/amazon-cognito-identity-js/blob/master/src/AuthenticationHelper.js
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping

from lampwork.cloud.user_pools.secure_passwords import prime

SECRET = secrets.randbits(1024)
TIMESTAMP = "Mon Nov 30 05:04:03 UTC 2026"


def first_value() -> str:
    return f"{pow(2, SECRET, prime()):x}"


def proof(pool_id: str, password: str, challenge: Mapping[str, str]) -> dict[str, str]:
    """What the client answers to the challenge PASSWORD_VERIFIER."""
    name = pool_id.partition("_")[2] + challenge["USER_ID_FOR_SRP"]
    value = challenge["SRP_B"]
    scrambler = _number(_padded(first_value()) + _padded(value))
    named = hashlib.sha256(f"{name}:{password}".encode()).hexdigest()
    private = _number(_padded(challenge["SALT"]) + named)
    multiplier = _number(_padded(f"{prime():x}") + "02")
    base = int(value, 16) - multiplier * pow(2, private, prime())
    shared = pow(base, SECRET + scrambler * private, prime())
    key = hmac.digest(_bytes(scrambler), _bytes(shared), "sha256")
    key = hmac.digest(key, b"Caldera Derived Key\x01", "sha256")[:16]
    block = challenge["SECRET_BLOCK"]
    text = name.encode() + base64.b64decode(block) + TIMESTAMP.encode()
    return {
        "USERNAME": challenge["USERNAME"],
        "TIMESTAMP": TIMESTAMP,
        "PASSWORD_CLAIM_SECRET_BLOCK": block,
        "PASSWORD_CLAIM_SIGNATURE": base64.b64encode(hmac.digest(key, text, "sha256")).decode(),
    }


def _padded(text: str) -> str:
    if len(text) % 2:
        return f"0{text}"
    return f"00{text}" if text[0] in "89abcdef" else text


def _number(text: str) -> int:
    return int(hashlib.sha256(bytes.fromhex(text)).hexdigest(), 16)


def _bytes(number: int) -> bytes:
    return bytes.fromhex(_padded(f"{number:x}"))
