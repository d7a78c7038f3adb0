"""Where a result may be fetched from: its URL is the provider's word, not the operator's."""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

# Translated into IPv4 on the way, to whatever address is hidden in them.
TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("2002::/16"))


class ForbiddenAddress(Exception):
    """The name leads into a network that is not the public one."""


def is_loopback(host: str) -> bool:
    """Whether a host written in a URL is this machine by its very name."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


async def resolve(host: str, port: int, *, loopback_allowed: bool) -> str:
    """The address of a host, to connect to it and to no other that its name leads to later.

    Raises:
        ForbiddenAddress: one of the addresses of this name must not be reached.
        OSError: the name leads nowhere.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [_plain(ip_address(socket_address[0])) for *_, socket_address in found]
    for address in addresses:
        if not (_is_public(address) or (loopback_allowed and address.is_loopback)):
            raise ForbiddenAddress
    return str(min(addresses, key=lambda address: address.version))  # not every host has IPv6


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    translated = any(address in network for network in TRANSLATED)
    return address.is_global and not address.is_multicast and not translated
