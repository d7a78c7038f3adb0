import asyncio
import logging
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote_plus

from lampwork.errors import LampworkError
from lampwork.events.http_api import MalformedResponse, header_mapping, header_value, status_code
from lampwork.events.identifiers import Moment, new_id
from lampwork.events.rest_api import authorizer_context
from lampwork.events.websocket_api import (
    Connection,
    connect_event,
    connect_headers,
    disconnect_event,
    error_frame,
    message_event,
    selected_route,
)
from lampwork.front.authorizers.refusals import AuthorizerFailed, Denied, Unauthenticated
from lampwork.front.authorizers.websocket import authorize
from lampwork.front.websocket.open_socket import GOING_AWAY, Socket
from lampwork.front.websocket_seam import InvalidHandshake, accept_key
from lampwork.http.connection import Upgrade
from lampwork.http.request import Request
from lampwork.http.responses import Response, json_message
from lampwork.invocation.port import Invocation, Invoker
from lampwork.invocation.timed_call import IntegrationTimeout, call
from lampwork.json_text import parsed
from lampwork.stack.model import WebSocketApi, WebSocketRoute
from lampwork.stack.router import compile_path

logger = logging.getLogger(__name__)

DISCONNECT_GRACE_SECONDS = 5


class FunctionFailed(MalformedResponse):
    """The function ended with an error. The function's log already shows it."""


class WebSocketApiGateway:
    """Serves one WebSocket API. Open connections stay open when the routes change."""

    def __init__(self, api: WebSocketApi, invoker: Invoker, *, time_scale: float = 1) -> None:
        self.connections: dict[str, OpenConnection] = {}
        self.time_scale = time_scale
        self.frames = Frames()
        self._invoker = invoker
        self._tasks: set[asyncio.Task[None]] = set()
        self.update(api)

    @property
    def under_way(self) -> int:
        """How many messages and ends of connections are handled."""
        return len(self._tasks)

    def update(self, api: WebSocketApi) -> None:
        self.api = api
        self._rewrites = [compile_path(rewrite.path) for rewrite in api.rewrites]

    def query(self, request: Request) -> str | None:
        """The query string of a handshake request for this API; None if it is for another API.

        Besides the stage's own URL, this accepts the paths that a CDN in front of the API would
        rewrite to that URL.
        """
        if request.path.rstrip("/") == f"/{self.api.stage}":
            return request.query
        for pattern in self._rewrites:
            parameters = pattern.match(request.path)
            if parameters is not None:
                return "&".join(_rewritten(parameters, request.query))
        return None

    async def handshake(self, request: Request, query: str) -> Response | Upgrade:
        """Ask the authorizer and $connect, and open the connection only if both allow it.

        Until then neither the client nor a function can use the connection.
        """
        request.route = f"{self.api.stage} $connect"
        try:
            accept = accept_key(request.target, request.headers, request.method)
        except InvalidHandshake as error:
            logger.info("not a WebSocket handshake", extra={"reason": str(error)})
            return json_message(400, "Bad Request")
        connection = Connection.of(request, self.api)
        request_id = new_id()
        connection, admission = await self._admission(connection, request, query, request_id)
        if not 200 <= admission.status < 300:
            return _refusal(admission.status, connection.id, request_id)
        head = _switching_protocols(accept, admission.subprotocol)

        def start(transport: asyncio.Transport, early: bytes) -> asyncio.Protocol:
            if not transport.is_closing():
                transport.write(head)
            return self._open(connection, transport, early)

        return Upgrade(start)

    async def close_all(self) -> None:
        """Close every socket and wait, for a limited time, until the $disconnect functions end."""
        for connection in list(self.connections.values()):
            connection.socket.close(GOING_AWAY, "Going away")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=DISCONNECT_GRACE_SECONDS)

    async def deliver(self, connection: "OpenConnection", text: str) -> None:
        """Invoke the function of the message's route; send its answer or an error frame."""
        request_id = new_id()
        route = self._route(text)
        if route is None:
            connection.send(error_frame("Forbidden", connection.about.id, request_id))
            return
        event = message_event(connection.about, route.key, text, request_id)
        try:
            answer = _answer(await self._call(route, event))
            status_code(answer)
            if route.two_way and (body := _body(answer)):
                connection.send(body)
        except (LampworkError, IntegrationTimeout, MalformedResponse) as error:
            _log(route, error)
            connection.send(error_frame("Internal server error", connection.about.id, request_id))

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Start a coroutine for which `stop()` waits, even if its connection is gone by then."""
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def disconnected(self, about: Connection, code: int, reason: str) -> None:
        route = self.api.routes.get("$disconnect")
        if route is None:
            return
        try:
            await self._call(route, disconnect_event(about, code, reason))
        except (LampworkError, IntegrationTimeout) as error:
            _log(route, error)

    async def _admission(
        self, connection: Connection, request: Request, query: str, request_id: str
    ) -> "tuple[Connection, Admission]":
        """Decide whether the caller may connect: first the authorizer, then $connect, as on AWS.

        Returns the connection too, because the authorizer adds its context to it.
        """
        if authorizer := self.api.authorizer:
            try:
                caller = await authorize(
                    authorizer, self.api, self._invoker, connection, request, query, request_id
                )
            except Unauthenticated:
                return connection, Admission(401)
            except Denied:
                return connection, Admission(403)
            except AuthorizerFailed:
                return connection, Admission(500)
            if caller is not None:
                connection = replace(connection, authorizer=authorizer_context(caller))
        return connection, await self._connect(connection, request, query, request_id)

    async def _connect(
        self, connection: Connection, request: Request, query: str, request_id: str
    ) -> "Admission":
        route = self.api.routes.get("$connect")
        if route is None:
            return Admission(200)
        event = connect_event(connection, connect_headers(request), query, request_id)
        try:
            answer = _answer(await self._call(route, event))
            return Admission(status_code(answer), _subprotocol(answer))
        except (LampworkError, IntegrationTimeout, MalformedResponse) as error:
            _log(route, error)
            return Admission(502)

    def _open(self, about: Connection, transport: asyncio.Transport, early: bytes) -> Socket:
        connection = OpenConnection(self, about, transport)
        self.connections[about.id] = connection
        if early:
            connection.socket.data_received(early)
        return connection.socket

    def _route(self, text: str) -> WebSocketRoute | None:
        key = selected_route(self.api.route_selection_expression, text)
        route = self.api.routes.get(key) if key else None
        return route or self.api.routes.get("$default")

    async def _call(self, route: WebSocketRoute, event: dict[str, Any]) -> Invocation:
        return await call(self._invoker, route.function, event, route.timeout_seconds)


class OpenConnection:
    """One entry in a gateway's `connections`, from the 101 answer until the socket closes."""

    def __init__(
        self, gateway: WebSocketApiGateway, about: Connection, transport: asyncio.Transport
    ) -> None:
        self.about = about
        self.last_active_at = about.connected_at
        self.socket = Socket(transport, self, time_scale=gateway.time_scale)
        self._gateway = gateway

    def send(self, text: str) -> None:
        self._gateway.frames.sent += 1
        self.last_active_at = Moment.now()
        self.socket.send(text)

    def received(self, text: str) -> None:
        self._gateway.frames.received += 1
        self.last_active_at = Moment.now()
        self._gateway.run(self._deliver(text))

    def ended(self, code: int, reason: str) -> None:
        del self._gateway.connections[self.about.id]
        self._gateway.run(self._gateway.disconnected(self.about, code, reason))

    async def _deliver(self, text: str) -> None:
        try:
            await self._gateway.deliver(self, text)
        finally:
            self.socket.handled()


@dataclass(slots=True)
class Frames:
    """Counts the messages that a gateway's sockets received and sent."""

    received: int = 0
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Admission:
    """The decision on a handshake: a 2xx opens the socket, any other status is the answer."""

    status: int
    subprotocol: str | None = None


def _rewritten(parameters: dict[str, str], query: str) -> Iterator[str]:
    """The `name=value` pairs of the rewritten query string.

    A path parameter replaces a query parameter of the same name, as a CDN function would do it.
    """
    for name, value in parameters.items():
        yield f"{quote(name, safe='')}={quote(value, safe='')}"
    for pair in query.split("&"):
        if pair and unquote_plus(pair.partition("=")[0]) not in parameters:
            yield pair


def _answer(invocation: Invocation) -> dict[str, object]:
    if invocation.function_error:
        raise FunctionFailed
    try:
        answer = parsed(invocation.payload)
    except ValueError as error:
        raise MalformedResponse("The function's answer is not JSON.") from error
    if not isinstance(answer, dict):
        raise MalformedResponse("The function's answer is not an object.")
    return answer


def _body(answer: dict[str, object]) -> str:
    body = answer.get("body") or ""
    if not isinstance(body, str):
        raise MalformedResponse("The function's body is not a string.")
    return body


def _subprotocol(answer: dict[str, object]) -> str | None:
    for name, value in header_mapping(answer).items():
        if name.lower() == "sec-websocket-protocol":
            return header_value(value)
    return None


def _switching_protocols(accept: str, subprotocol: str | None) -> bytes:
    lines = [
        "HTTP/1.1 101 Switching Protocols",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Accept: {accept}",
    ]
    if subprotocol is not None:
        lines.append(f"Sec-WebSocket-Protocol: {subprotocol}")
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")


def _refusal(status: int, connection_id: str, request_id: str) -> Response:
    try:
        message = HTTPStatus(status).phrase
    except ValueError:
        message = "Refused"
    body = error_frame(message, connection_id, request_id).encode()
    return Response(status, [("content-type", "application/json")], body)


def _log(route: WebSocketRoute, error: Exception) -> None:
    if isinstance(error, FunctionFailed):
        return
    logger.warning(
        "the gateway answers instead of a function",
        extra={"route": route.key, "function": route.function, "reason": str(error)},
    )
