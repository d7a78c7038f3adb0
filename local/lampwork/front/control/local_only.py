"""Who may look into the emulator: whoever sits at this machine, and nobody else."""

from ipaddress import ip_address
from typing import Final

from lampwork.http.hosts import host_of, is_localhost
from lampwork.http.request import Request
from lampwork.http.responses import Response, json_message

OWN_SITE: Final = (None, "none", "same-origin")
# What proxies and tunnels add: their peer is this machine, whoever the client is.
# https://datatracker.ietf.org/doc/html/rfc7239
FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
FROM_HERE: Final = "Only this machine may ask, at http://localhost or http://127.0.0.1"
FOREIGN_PAGE: Final = "A page of another site may not send this request"


def refusal(request: Request) -> Response | None:
    """The 403 for a request from another machine, through a proxy or a tunnel, or from a page of
    another site; None for one of a program or the emulator's own page on this machine."""
    if not _is_loopback(request.peer[0]) or not _asks_this_machine(request):
        return json_message(403, FROM_HERE)
    if any(request.header(name) is not None for name in FORWARDED):
        return json_message(403, FROM_HERE)
    origin = request.header("origin")
    if origin is not None and origin.lower() != _own_origin(request):
        return json_message(403, FOREIGN_PAGE)
    if request.header("sec-fetch-site") not in OWN_SITE:
        return json_message(403, FOREIGN_PAGE)
    return None


def _is_loopback(peer: str) -> bool:
    try:
        found = ip_address(peer)
    except ValueError:
        return False
    # A socket for both versions names clients of version 4 so: RFC 4291 §2.5.5.2.
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback


def _asks_this_machine(request: Request) -> bool:
    """Whether the Host is one that no name server can point here, and no tunnel has."""
    host = host_of(request.header("host") or "")
    return is_localhost(host) or _is_loopback(host)


def _own_origin(request: Request) -> str:
    scheme = "https" if request.secure else "http"
    return f"{scheme}://{(request.header('host') or '').lower()}"
