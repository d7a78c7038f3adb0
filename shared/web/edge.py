import logging
import re
import time
from typing import Any
from uuid import uuid4

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import settings
from shared.dependencies import one_request
from shared.errors import InternalError
from shared.process import logs
from shared.security.origins import is_allowed
from shared.web.problem import problem

logger = logging.getLogger(__name__)

DEFAULT_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Origin, Cookie, Authorization",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
READABLE_HEADERS = (
    "ETag, Idempotent-Replayed, Location, RateLimit, RateLimit-Policy, Retry-After, X-Request-Id"
)
STRICT_TRANSPORT = "max-age=31536000; includeSubDomains"


class Edge:
    """The outermost layer of every HTTP function.

    It gives the request its id, adds security headers that the route did not set and CORS headers
    for allowed origins, and turns an unexpected exception into a problem without a traceback,
    logged once.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = _request_id(scope)
        scope.setdefault("state", {}).update(request_id=request_id, arrived=time.monotonic())
        origin = Headers(scope=scope).get("origin")
        started = False

        async def send_with_headers(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(scope=message)
                _add_headers(headers, request_id)
                _let_page_read(headers, origin)
            await send(message)

        try:
            with logs.about(request_id=request_id), one_request():
                await self.app(scope, receive, send_with_headers)
        except Exception:  # the last place that can still answer the caller
            logger.exception("Request failed", extra={"request_id": request_id})
            if not started:
                answer = problem(Request(scope), InternalError().document)
                await answer(scope, receive, send_with_headers)


def _add_headers(headers: MutableHeaders, request_id: str) -> None:
    for name, value in DEFAULT_HEADERS.items():
        headers.setdefault(name, value)
    if settings.app().public_url.startswith("https:"):
        headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
    headers["X-Request-Id"] = request_id


def _let_page_read(headers: MutableHeaders, origin: str | None) -> None:
    """Let our pages at other origins read the answer, but no other page."""
    if is_allowed(origin):
        headers["Access-Control-Allow-Origin"] = str(origin)
        headers["Access-Control-Allow-Credentials"] = "true"
        headers["Access-Control-Expose-Headers"] = READABLE_HEADERS


def held_seconds(request: Request) -> float:
    """For how long the gateway has had the request, whose time-out counts from then.

    A new environment starts meanwhile. The clocks are those of two machines, so it is about so.
    """
    context = _gateway(request.scope)
    arrived_ms = context.get("timeEpoch") or context.get("requestTimeEpoch")  # of a REST API
    return 0 if arrived_ms is None else max(0, time.time() - arrived_ms / 1000)


def _gateway(scope: Scope) -> dict[str, Any]:
    context: dict[str, Any] = scope.get("aws.event", {}).get("requestContext", {})
    return context


def _request_id(scope: Scope) -> str:
    gateway = _gateway(scope).get("requestId", "")
    return gateway if re.fullmatch(r"[\w=+/.-]{1,64}", gateway) else uuid4().hex
