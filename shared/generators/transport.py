import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

from shared.clients.addresses import ForbiddenAddress, is_loopback, resolve
from shared.generators import failures

MAX_BYTES = 32 * 1024 * 1024
MAX_REDIRECTS = 3
CONNECT_TIMEOUT_SECONDS = 5


@dataclass(frozen=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: bytes


class Transport:
    """HTTP to one provider. Each request has a connection of its own, which cancelling closes.

    Every method raises GenerationFailed. No request is retried, since the task is.
    """

    def __init__(self, endpoint: str, *, timeout_seconds: float) -> None:
        for chatty in ("httpx", "httpcore"):  # they log URLs and headers; a result's URL is a key
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self._endpoint = httpx.URL(endpoint)
        self._loopback_allowed = is_loopback(self._endpoint.host)
        self._timeout = httpx.Timeout(timeout_seconds, connect=CONNECT_TIMEOUT_SECONDS)
        self._tls = httpx.create_ssl_context()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        return await self._exchange("POST", httpx.URL(url), content=body, headers=dict(headers))

    async def fetch(self, url: str) -> bytes:
        """Fetch the result from the URL that a provider gave, from the public network only.

        The provider's own origin is trusted as the provider is; other ports of this machine only if
        the provider itself runs on this machine.
        """
        target = _join(self._endpoint, url)
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._get(target)
            if not HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
                return _content(answer)
            target = _join(target, answer.headers.get("location", ""))
        raise failures.invalid_output("too many redirects")

    async def _get(self, url: httpx.URL) -> Answer:
        if _origin(url) == _origin(self._endpoint):
            return await self._exchange("GET", url)
        if url.scheme != "https" and not self._loopback_allowed:
            raise failures.invalid_output("a result without TLS")
        try:
            address = await resolve(
                url.host, _origin(url)[2], loopback_allowed=self._loopback_allowed
            )
        except ForbiddenAddress:
            raise failures.invalid_output("a result in a private network") from None
        except (OSError, UnicodeError):
            raise failures.unavailable("a result's host is unknown") from None
        # Connect to this address, with the name that the certificate must be for.
        return await self._exchange(
            "GET",
            url.copy_with(host=address),
            headers={"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": url.host},
        )

    async def _exchange(self, method: str, url: httpx.URL, **options: Any) -> Answer:
        # Proxies of the environment are ignored: they would resolve names themselves.
        client = httpx.AsyncClient(verify=self._tls, timeout=self._timeout, trust_env=False)
        client.headers["Accept-Encoding"] = "identity"
        try:
            async with client, client.stream(method, url, **options) as response:
                return Answer(response.status_code, response.headers, await _read(response))
        except (httpx.TransportError, httpx.InvalidURL) as error:  # InvalidURL: in a redirect
            raise failures.unavailable(type(error).__name__) from None


def _join(base: httpx.URL, url: str) -> httpx.URL:
    try:
        joined = base.join(url)
    except httpx.InvalidURL:
        raise failures.invalid_output("no URL") from None
    if joined.scheme not in ("http", "https") or not joined.host:
        raise failures.invalid_output("no URL of the web")
    return joined


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():  # raw: a small answer must not unpack to a huge one
        body += chunk
        if len(body) > MAX_BYTES:
            raise failures.invalid_output("too many bytes")
    return bytes(body)


def _content(answer: Answer) -> bytes:
    if answer.status == HTTPStatus.OK:
        return answer.body
    reason = f"HTTP {answer.status} for a result"
    if failures.passes(answer.status):
        raise failures.unavailable(reason)
    raise failures.invalid_output(reason)


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or (443 if url.scheme == "https" else 80)
