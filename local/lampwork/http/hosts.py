"""Which names of a Host or an Origin mean this machine, whatever a name server says."""

import ipaddress
from collections.abc import Collection


def host_of(header: str) -> str:
    """A Host, or the rest of an Origin, without its port; a name in full may end in a dot."""
    header = header.lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].removesuffix(".")


def is_own(host: str, allowed: Collection[str]) -> bool:
    return (
        not host  # which every browser sends
        or is_localhost(host)
        or address(host) is not None  # which no name server can change
        or host in allowed
    )


def is_own_origin(origin: str, allowed: Collection[str]) -> bool:
    """Whether a page of this origin is one of this machine's. "null" is anybody's."""
    host = host_of(origin.partition("://")[2])
    found = address(host)
    return is_localhost(host) or host in allowed or (found is not None and found.is_loopback)


def is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
