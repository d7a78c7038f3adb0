import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from shared import settings
from shared.clients.addresses import is_loopback
from shared.models.webhook import MAX_URL_CHARACTERS

LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
VISIBLE = r"[!\"$-\[\]-~]"  # but no fragment, which is not sent, and no backslash
# A name with a dot and no number at its end, so that it is no address, in any spelling of one.
PUBLIC_URL = (
    rf"^[Hh][Tt][Tt][Pp][Ss]://({LABEL}\.)+[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"
    rf"(:(443|8443))?([/?]{VISIBLE}*)?$"
)
LOOPBACK_URL = re.compile(rf"https?://[^/?@\\]+([/?]{VISIBLE}*)?")


def _check_url(url: str) -> str:
    if not re.fullmatch(PUBLIC_URL, url) and not _is_allowed_loopback(url):
        raise ValueError(
            "A webhook's URL is https:// with a host's name, on port 443 or 8443, "
            "in visible ASCII and without a fragment."
        )
    return url


def _is_allowed_loopback(url: str) -> bool:
    """Whether a developer's own machine receives webhooks, and this is a URL on it."""
    if not (settings.webhooks().loopback and LOOPBACK_URL.fullmatch(url)):
        return False
    try:
        parts = urlsplit(url)
        return parts.port != 0 and is_loopback(parts.hostname or "")
    except ValueError:  # the port, or the brackets of an IPv6 address
        return False


WebhookUrl = Annotated[
    str,
    Field(
        max_length=MAX_URL_CHARACTERS,
        json_schema_extra={"format": "uri", "pattern": PUBLIC_URL},
        examples=["https://receiver.example.com/lampwork"],
    ),
    AfterValidator(_check_url),
]
