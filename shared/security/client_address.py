import hmac
import logging
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from shared import settings

logger = logging.getLogger(__name__)

Address = IPv4Address | IPv6Address
# A household or a server gets at least a /64 (RFC 6177), so one address of it says nothing.
IPV6_PREFIX = 64
UNKNOWN = "unknown"


def resolve(headers: Mapping[str, str], *, peer: str | None) -> str | None:
    """The address that a request really comes from; None if the gateway named none.

    Behind our own content delivery network it is the viewer's, which counts only beside the
    network's secret: anybody can reach the gateway directly. Otherwise it is `peer`, the address
    the gateway saw, unless that is a trusted proxy; then it is the first address in
    X-Forwarded-For, from the right, that is not a trusted proxy. What an untrusted client may have
    written into the headers is ignored.
    """
    if _comes_by_our_network(headers) and (viewer := _parse(headers.get("x-viewer-address", ""))):
        return str(viewer)
    seen = _parse(peer or "")
    if seen is None:
        logger.error("A request came without an address")
        return None
    client = seen
    for text in reversed(headers.get("x-forwarded-for", "").split(",")):
        if not _is_trusted(client):
            break
        hop = _parse(text.strip())
        if hop is None:  # only the peer is certain then
            return str(seen)
        client = hop
    return str(client)


def network(address: str | None) -> str:
    """The key that requests are counted by: the address, or for IPv6 its /64.

    All requests without an address share one count.
    """
    parsed = _parse(address or "")
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((int(parsed), IPV6_PREFIX), strict=False))
    return UNKNOWN if parsed is None else str(parsed)


def is_loopback(address: str) -> bool:
    """Whether only a process of this machine has this address."""
    parsed = _parse(address)
    return parsed is not None and parsed.is_loopback


def is_loopback_host(header: str | None) -> bool:
    """Whether a Host header names this machine in a way that no name server can give to another
    site: a page whose own name was made to resolve here (DNS rebinding) sends that name."""
    try:
        host = urlsplit(f"//{header or ''}").hostname or ""
    except ValueError:  # brackets that do not match
        return False
    return host == "localhost" or host.endswith(".localhost") or is_loopback(host)


def _comes_by_our_network(headers: Mapping[str, str]) -> bool:
    presented = headers.get("x-origin-secret", "").encode()
    known = [secret.get_secret_value().encode() for secret in settings.origin().secrets]
    return any([hmac.compare_digest(presented, each) for each in known])  # each takes its time


def _is_trusted(address: Address) -> bool:
    return any(address in proxies for proxies in settings.proxies().trusted)


def _parse(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
