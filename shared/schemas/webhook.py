import re
from datetime import datetime
from typing import Annotated, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field

from shared import settings
from shared.clients.addresses import is_loopback
from shared.models.webhook import (
    MAX_URL_CHARACTERS,
    DeliveryStatus,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookSecret,
)
from shared.schemas.base import RequestBody, ResponseBody

MAX_OVERLAP_SECONDS = 7 * 86400

LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
VISIBLE = r"[!\"$-\[\]-~]"  # but no fragment, which is not sent, and no backslash
# A name with a dot and no number at its end, so that it is no address, in any spelling of one.
PUBLIC_URL = (
    rf"^[Hh][Tt][Tt][Pp][Ss]://({LABEL}\.)+[A-Za-z]([A-Za-z0-9-]{{0,61}}[A-Za-z0-9])?"
    rf"(:(443|8443))?([/?]{VISIBLE}*)?$"
)
MAX_HOST_CHARACTERS = 253  # RFC 1035, section 2.3.4: 255 octets with each label's length
LOOPBACK_URL = re.compile(rf"https?://[A-Za-z0-9.:\[\]-]+([/?]{VISIBLE}*)?")


def _check_url(url: str) -> str:
    if not re.fullmatch(PUBLIC_URL, url) and not _is_allowed_loopback(url):
        raise ValueError(
            "A webhook's URL is https:// with a host's name, on port 443 or 8443, "
            "in visible ASCII and without a fragment."
        )
    if len(urlsplit(url).hostname or "") > MAX_HOST_CHARACTERS:
        raise ValueError(f"A host's name has at most {MAX_HOST_CHARACTERS} characters.")
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


class SecretRequest(RequestBody):
    """For how many seconds the secret that is replaced signs too; 0 ends it now."""

    keep_previous_seconds: Annotated[int, Field(ge=0, le=MAX_OVERLAP_SECONDS)] | None = None


class SecretRead(ResponseBody):
    """A secret that signs webhooks, without the secret itself. The one that does not expire is
    current."""

    id: UUID
    created_at: datetime
    expires_at: datetime | None


class NewSecret(SecretRead):
    """A new secret, shown this once."""

    secret: str

    @classmethod
    def of(cls, row: WebhookSecret, secret: str) -> Self:
        return cls(id=row.id, created_at=row.created_at, expires_at=row.expires_at, secret=secret)


class SecretList(ResponseBody):
    items: list[SecretRead]


class DeliveryRead(ResponseBody):
    """What became of the message that tells a task's end. `webhook_id` is the header's; of the last
    attempt, `last_status` is the receiver's answer, or `last_error` says why there was none."""

    id: UUID
    webhook_id: str
    task_id: UUID
    url: str
    type: str
    status: DeliveryStatus
    attempts: int
    last_status: int | None
    last_error: str | None
    created_at: datetime
    next_attempt_at: datetime | None
    finished_at: datetime | None

    @classmethod
    def of(cls, delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> Self:
        pending = delivery.status is DeliveryStatus.PENDING
        return cls(
            id=delivery.id,
            webhook_id=webhook_id(delivery.id),
            task_id=delivery.task_id,
            url=endpoint.url,
            type=delivery.event_type,
            status=delivery.status,
            attempts=delivery.attempts,
            last_status=delivery.last_status,
            last_error=delivery.last_error,
            created_at=delivery.created_at,
            next_attempt_at=delivery.next_attempt_at if pending else None,
            finished_at=delivery.finished_at,
        )


class DeliveryList(ResponseBody):
    items: list[DeliveryRead]
    next_cursor: str | None


def webhook_id(delivery_id: UUID) -> str:
    """The `webhook-id` of every attempt of a delivery."""
    return f"msg_{delivery_id.hex}"
