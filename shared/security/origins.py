from collections.abc import Mapping
from urllib.parse import urlsplit

from shared import settings
from shared.errors import CsrfRejected
from shared.security.client_address import is_loopback_host

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
OWN_FETCH_SITES = frozenset({"same-origin", "same-site"})
TRUSTED_FETCH_SITES = frozenset({"same-origin", "none"})


def check_page(headers: Mapping[str, str]) -> None:
    """Refuse a request that a browser sends for a foreign page.

    Fetch Metadata decides if the browser sends it, else Origin, else Referer. A client that sends
    none of them is not a browser, and passes unless CSRF_STRICT is set. `headers` has names in
    lower case.

    Raises:
        CsrfRejected: the page's origin is not one of ours.
    """
    site, page = headers.get("sec-fetch-site"), _origin(headers)
    if site in TRUSTED_FETCH_SITES:
        return
    if site is None and page is None and not settings.auth().strict_csrf:
        return
    if not is_allowed(page):
        raise CsrfRejected


def is_own_page(headers: Mapping[str, str]) -> bool:
    """Whether the browser's headers say that a page of this site sent the request."""
    return headers.get("sec-fetch-site") in OWN_FETCH_SITES


def is_allowed(origin: str | None) -> bool:
    """Whether a page of this origin may act for a signed-in user: an exact comparison. But where
    the product runs on a developer's machine, all names of that machine are one."""
    own = settings.app().origins
    place = _place_here(origin or "")
    return origin in own or (place is not None and place in map(_place_here, own))


def _place_here(origin: str) -> tuple[str, int | None] | None:
    """Scheme and port of an origin whose name is one of this machine's own; None for others."""
    try:
        page = urlsplit(origin)
        place = page.scheme, page.port
    except ValueError:  # brackets that do not match, or no port
        return None
    is_origin = origin == f"{page.scheme}://{page.netloc}" and "@" not in page.netloc
    return place if is_origin and is_loopback_host(page.netloc) else None


def _origin(headers: Mapping[str, str]) -> str | None:
    if "origin" in headers:
        return headers["origin"]
    if "referer" not in headers:
        return None
    try:
        referer = urlsplit(headers["referer"])
    except ValueError:
        return "null"
    return f"{referer.scheme}://{referer.netloc}"
