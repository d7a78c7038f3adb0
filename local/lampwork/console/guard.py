"""Who may look into the emulator, and act in it.

The console shows secrets and can change everything. So it answers this machine alone, under a name
that nobody can make another machine's, and takes an action only from a page of its own.
"""

import ipaddress
import re
from typing import Final

from lampwork.http.hosts import host_of, is_localhost
from lampwork.http.request import Request

# Set by proxies and tunnels, through which others may ask.
FORWARDING: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
HOST: Final = re.compile(r"(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?", re.IGNORECASE)
OWN_SITE: Final = (None, "none", "same-origin")

ELSEWHERE: Final = "The console answers only this machine: http://localhost, without a proxy."
FOREIGN: Final = "A page of another site may not ask the console."
FORGED: Final = "Only a page of the console may do this."


def refusal(request: Request) -> str | None:
    """Why a request is not answered; None for one that is.

    The checks of Origin and Sec-Fetch-Site are those of
    https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html
    """
    if not _is_here(request):
        return ELSEWHERE
    origin = request.header("origin")
    if request.header("sec-fetch-site") not in OWN_SITE:
        return FOREIGN
    if origin is not None and origin.lower() != _own_origin(request):
        return FOREIGN
    # Browsers send an Origin with every POST: https://fetch.spec.whatwg.org/#origin-header
    if request.method not in ("GET", "HEAD") and origin is None:
        return FORGED
    return None


def _is_here(request: Request) -> bool:
    host = request.header("host") or ""
    if HOST.fullmatch(host) is None or any(request.header(each) for each in FORWARDING):
        return False
    name = host_of(host)
    return _is_loopback(request.peer[0]) and (is_localhost(name) or _is_loopback(name))


def _own_origin(request: Request) -> str:
    scheme = "https" if request.secure else "http"
    return f"{scheme}://{request.header('host') or ''}".lower()


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket for both versions names clients of version 4 so: RFC 4291 §2.5.5.2.
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
