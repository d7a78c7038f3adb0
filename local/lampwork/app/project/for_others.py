"""The addresses under which other machines reach this one, such as a phone in the same network."""

import fcntl
import io
import ipaddress
import socket
import struct
from contextlib import suppress
from typing import Final

from lampwork.http.listener import is_loopback

# An address that is nobody's (RFC 5737). What leads there leads to the network; nothing is sent.
ELSEWHERE: Final = ("192.0.2.1", 9)
# https://man7.org/linux/man-pages/man7/netdevice.7.html
SIOCGIFADDR: Final = 0x8915
REQUEST: Final = "256s"
ADDRESS: Final = slice(20, 24)


class ForOthers:
    """The origins of what listens on `host`. The first address is the one that others use; there is
    none where only this machine can ask."""

    def __init__(self, host: str, port: int) -> None:
        self.addresses = _addresses(host)
        self._port = port

    @property
    def origin(self) -> str | None:
        return f"http://{self.addresses[0]}:{self._port}" if self.addresses else None

    @property
    def further_origins(self) -> list[str]:
        """The other names of this machine, whose pages are its own too."""
        if not self.addresses:
            return []
        return [f"http://{name}:{self._port}" for name in (*self.addresses[1:], "localhost")]

    def __str__(self) -> str:
        return f"On a phone in the same network: {self.origin}"

    def code(self) -> str:
        """The address for the camera of a phone, drawn for a terminal."""
        import segno  # it takes 20 ms, and few need it

        code, drawn = segno.make(f"{self.origin}/", micro=False), io.StringIO()
        code.terminal(drawn, compact=True)
        return drawn.getvalue()


def _addresses(host: str) -> list[str]:
    if is_loopback(host):
        return []
    if not _is_any(host):
        return [f"[{host}]" if ":" in host else host]
    found = [address for address in (_of_route(), *_of_interfaces()) if address]
    return [address for address in dict.fromkeys(found) if not is_loopback(address)]


def _is_any(host: str) -> bool:
    try:
        return not host or ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _of_route() -> str | None:
    """The address from which this machine speaks to others."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking, suppress(OSError):
        asking.connect(ELSEWHERE)
        return str(asking.getsockname()[0])
    return None


def _of_interfaces() -> list[str]:
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            with suppress(OSError):  # it has no such address
                answer = fcntl.ioctl(asking, SIOCGIFADDR, struct.pack(REQUEST, name.encode()))
                found.append(socket.inet_ntoa(answer[ADDRESS]))
    return found
