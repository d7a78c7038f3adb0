"""Who asks for a mail, as far as anybody can tell who is not signed in."""

from collections.abc import Iterable

from shared.security import client_address, known_devices

KNOWN_DEVICE = "device "
LONGEST = 64  # an IPv6 network has up to 43 characters, a device 32


def asker(email: str, ip: str | None, device_tokens: Iterable[str] = ()) -> str:
    """The device, if it has signed in to the account of this address before; else the network.

    A device's mails are counted apart from those of strangers, who then cannot use up its limit.
    """
    device = known_devices.find(device_tokens, email)
    return f"network {client_address.network(ip)}" if device is None else KNOWN_DEVICE + device


def is_known_device(text: str) -> bool:
    return text.startswith(KNOWN_DEVICE)
