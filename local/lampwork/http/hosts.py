"""Which names in a Host or an Origin mean this machine, whatever a name server says."""

import ipaddress
from collections.abc import Collection


def host_of(header: str) -> str:
    """The host of a Host header, or of an Origin without its scheme.

    The port is left out, and so is the dot that may end a fully qualified name.
    """
    header = header.lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].removesuffix(".")


def is_own(host: str, allowed: Collection[str]) -> bool:
    """Whether a request to this host was meant for this machine; a rebound DNS name was not."""
    return (
        not host  # every browser sends one
        or is_localhost(host)
        or address(host) is not None  # no name server can change what an address means
        or host in allowed
    )


def is_own_origin(origin: str, allowed: Collection[str]) -> bool:
    """Whether pages of this origin come from this machine. Any page may have the origin "null"."""
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
