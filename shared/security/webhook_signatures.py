"""Signs webhooks as the Standard Webhooks specification 1.0.0 says, section "Signature scheme":
https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"""

import base64
import hmac
from collections.abc import Iterable
from uuid import UUID

from shared.security.keys import keys

SALT_BYTES = 32
PREFIX = "whsec_"


def secret(user_id: UUID, salt: bytes) -> str:
    """The secret of a user with this salt. Neither the database alone nor the key alone yields
    it."""
    return PREFIX + base64.b64encode(_key(user_id, salt)).decode()


def headers(
    webhook_id: str, timestamp: int, body: bytes, *, user_id: UUID, salts: Iterable[bytes]
) -> dict[str, str]:
    """The headers of one attempt, at `timestamp` in Unix seconds, signed with each secret.

    `webhook_id` must not contain a full stop.
    """
    signed = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(_key(user_id, salt), signed) for salt in salts),
    }


def _key(user_id: UUID, salt: bytes) -> bytes:
    return hmac.digest(keys().hmac.value, b"webhook\n" + user_id.bytes + salt, "sha256")


def _signature(key: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
