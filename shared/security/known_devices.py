import hmac
import secrets
import struct
from collections.abc import Iterable

from shared import clock, email_addresses
from shared.security import base64url
from shared.security.keys import keys

PREFIX = "dv1_"
LAYOUT = struct.Struct(">I16s32s")  # when it was issued, the device, MAC
LIFETIME_SECONDS = 180 * 86400


def issue(email: str) -> str:
    """A token for a device that has signed in to this account. It proves only that.

    Wrong passwords from all devices without one share one count, so that attackers do not lock out
    the owner's own devices (OWASP, "Slow Down Online Guessing Attacks with Device Cookies").
    """
    issued_at, device = int(clock.now().timestamp()), secrets.token_bytes(16)
    return PREFIX + base64url.encode(LAYOUT.pack(issued_at, device, _mac(issued_at, device, email)))


def read(token: str, email: str) -> str | None:
    """The device's id, if it has signed in to this account within the last half year."""
    try:
        issued_at, device, mac = LAYOUT.unpack(base64url.decode(token.removeprefix(PREFIX)))
    except (ValueError, struct.error):
        return None
    too_old = clock.now().timestamp() > issued_at + LIFETIME_SECONDS
    if too_old or not hmac.compare_digest(mac, _mac(issued_at, device, email)):
        return None
    named: str = device.hex()
    return named


def find(tokens: Iterable[str], email: str) -> str | None:
    """The device that one of these tokens names, if it has signed in to this account."""
    devices = (read(token, email) for token in tokens)
    return next((device for device in devices if device is not None), None)


def _mac(issued_at: int, device: bytes, email: str) -> bytes:
    account = email_addresses.canonical(email).encode()
    text = b"device" + struct.pack(">I16s", issued_at, device) + account
    return hmac.digest(keys().hmac.value, text, "sha256")
