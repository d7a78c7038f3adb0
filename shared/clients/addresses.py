"""Which addresses a server may reach at a URL that the operator did not choose: of a provider's
result, or of a user's webhook."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from shared.clients.public_addresses import is_public

# The addresses of a host, as text; raises OSError if the name does not resolve.
Lookup = Callable[[str, int], Awaitable[Sequence[str]]]


class ForbiddenAddress(Exception):
    """The name resolves to an address outside the public network."""


def is_loopback(host: str) -> bool:
    """Whether the name of a host in a URL alone shows that it is this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


async def look_up(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(socket_address[0]) for *_, socket_address in found]


async def resolve(host: str, port: int, *, loopback_allowed: bool, lookup: Lookup = look_up) -> str:
    """The address of a host. Connect to this one: the name may resolve to another later.

    Raises:
        ForbiddenAddress: one of the addresses of this name must not be reached.
        OSError: the name does not resolve.
    """
    addresses = [_plain(ip_address(address)) for address in await lookup(host, port)]
    for address in addresses:
        if not (is_public(address) or (loopback_allowed and address.is_loopback)):
            raise ForbiddenAddress
    return str(min(addresses, key=lambda address: address.version))  # not every host has IPv6


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
