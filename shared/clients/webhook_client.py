import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import httpx

from shared import settings
from shared.clients.addresses import ForbiddenAddress, is_loopback, resolve
from shared.singletons import singleton

MAX_BODY_BYTES = 16 * 1024
DRAIN_SECONDS = 1

RESOLVE_SECONDS = 5

Resolve = Callable[..., Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a receiver answered an attempt: the status, and the seconds of its Retry-After."""

    status: int
    retry_after_seconds: float = 0


class NotReached(Exception):
    """There was no answer. The text is one word of ours, safe to show to whoever chose the URL."""


class WebhookClient:
    """Posts to URLs that users chose, on the public network only.

    A name is resolved once, and connections go to the address that was checked. Redirects are not
    followed, proxies of the environment are not used, and every attempt has a connection of its
    own. This machine itself is a receiver only for WEBHOOK_LOOPBACK.
    """

    def __init__(self, *, timeout_seconds: float, loopback: bool, resolve: Resolve = resolve):
        for chatty in ("httpx", "httpcore"):  # they log URLs, which may hold a receiver's key
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self._timeout_seconds = timeout_seconds
        self._loopback = loopback
        self._resolve = resolve
        self._tls = httpx.create_ssl_context()

    async def find(self, url: str) -> str:
        """The address to post to for this URL.

        Raises:
            NotReached: the name is unknown, or leads to an address that is not public.
        """
        try:
            parsed = httpx.URL(url)
            allowed = self._loopback and is_loopback(parsed.host)
            async with asyncio.timeout(RESOLVE_SECONDS):
                return await self._resolve(parsed.host, _port(parsed), loopback_allowed=allowed)
        except ForbiddenAddress:
            raise NotReached("forbidden_address") from None
        except (OSError, UnicodeError, httpx.InvalidURL):  # TimeoutError is an OSError
            raise NotReached("unknown_host") from None

    async def post(self, url: str, address: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send one attempt to an address that `find` gave.

        Raises:
            NotReached: no status came within the time limit.
        """
        parsed = httpx.URL(url)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._exchange(parsed, address, headers, body)
        except (TimeoutError, httpx.TimeoutException):
            raise NotReached("timeout") from None
        except httpx.ConnectError:
            raise NotReached("connection_failed") from None
        except httpx.TransportError:
            raise NotReached("no_answer") from None

    async def _exchange(
        self, url: httpx.URL, address: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        # Connect to the address, with the name that the certificate must be for.
        client = httpx.AsyncClient(verify=self._tls, timeout=self._timeout_seconds, trust_env=False)
        named = {
            **headers,
            "Host": url.netloc.decode("ascii"),
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        async with (
            client,
            client.stream(
                "POST",
                url.copy_with(host=address),
                content=body,
                headers=named,
                extensions={"sni_hostname": url.host},
                follow_redirects=False,
            ) as response,
        ):
            await _drain(response)
            return Answer(response.status_code, _seconds(response.headers.get("retry-after")))


@singleton
def webhook_client() -> WebhookClient:
    configured = settings.webhooks()
    return WebhookClient(timeout_seconds=configured.timeout_seconds, loopback=configured.loopback)


async def _drain(response: httpx.Response) -> None:
    """Let the receiver finish its answer, if that is short: only the status counts."""
    read = 0
    with suppress(TimeoutError, httpx.TransportError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for chunk in response.aiter_raw():
                read += len(chunk)
                if read > MAX_BODY_BYTES:
                    return


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _seconds(retry_after: str | None) -> float:
    """Only seconds count: a date would compare the receiver's clock with ours."""
    return float(retry_after) if retry_after and re.fullmatch(r"[0-9]{1,6}", retry_after) else 0
