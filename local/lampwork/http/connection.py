"""An HTTP/1.1 server protocol: whole requests in, whole responses out (RFC 9112)."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, cast

import httptools

from lampwork.http.responses import Response, encoded, json_message

logger = logging.getLogger(__name__)

MAX_HEAD = 10_240
MAX_BODY = 10 * 1024 * 1024
MAX_PIPELINED = 32
# How long what a refused client still sends is read and dropped: closing at once would reset the
# connection and the client would never see why (RFC 9112 §9.6).
LINGER_SECONDS = 5
# How long a client may take to send one request: one that never ends must not be kept for ever.
REQUEST_SECONDS = 60

# The most an event loop hands over at once.
MAX_READ = 256 * 1024

UPGRADE_HEADERS = frozenset({"upgrade", "connection", "http2-settings"})
REFUSALS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    431: "Request Header Fields Too Large",
}


@dataclass(slots=True)
class Request:
    """A request as it came over the wire: latin-1 text, headers in their own case and order.

    `route` is the template's route that serves it, once a gateway has found it.
    """

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    peer: tuple[str, int]
    secure: bool
    route: str | None = None
    _first: dict[str, str] | None = None

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first header of this name, in any case."""
        if self._first is None:
            self._first = {key.lower(): value for key, value in reversed(self.headers)}
        return self._first.get(name.lower())


@dataclass(slots=True)
class Upgrade:
    """Hands the connection over: the protocol `start` returns gets the transport's next callbacks.

    `start` is called with the transport and the bytes read after the request's head; its protocol's
    `connection_made` is not called. If the client has left meanwhile, the transport `is_closing()`
    and must not be written to, and `connection_lost` follows at once.
    """

    start: Callable[[asyncio.Transport, bytes], asyncio.Protocol]


Answer = Response | Upgrade
# What can be answered at once costs no task.
Handler = Callable[[Request], Answer | Coroutine[Any, Any, Answer]]


class HttpProtocol(asyncio.Protocol):
    """Serves one connection; requests sent without waiting are answered in their order.

    A handler runs to its end even if its client has left: what it does may not be stopped halfway.
    Open connections keep themselves in `connections`, for the owner to `shutdown()`.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        max_body: int = MAX_BODY,
        max_head: int = MAX_HEAD,
        secure: bool = False,
        request_seconds: float = REQUEST_SECONDS,
        connections: "set[HttpProtocol] | None" = None,
    ) -> None:
        self._handler = handler
        self._max_body = max_body
        self._max_head = max_head
        self._secure = secure
        self._request_seconds = request_seconds
        self._deadline: asyncio.TimerHandle | None = None  # of a request that came in part
        self._connections = connections if connections is not None else set()
        self._queue: deque[tuple[Request | Response, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._busy = False
        self._early: bytearray | None = None  # read after a WebSocket request, before its answer
        self._refused = False
        self._closing = False
        self._finished = False
        self._gone = False
        self._writable: asyncio.Event | None = None
        self._start_message()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, since uvloop's transports are asyncio's by shape only.
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._peer = (transport.get_extra_info("peername") or ("", 0))[:2]
        self._parser = httptools.HttpRequestParser(self)
        self._connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        self._forget_deadline()
        self._connections.discard(self)
        self._queue.clear()
        del self._parser  # it refers back to this protocol
        self.resume_writing()

    def eof_received(self) -> bool:
        """A client may end its side and still wait for answers; not under TLS, nor for a socket."""
        self._closing = True
        return self._busy and not self._secure and self._early is None

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if self._early is not None:
            self._early += data
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade_requested(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            self._refuse(error)
        else:
            self._limit_unfinished_head(len(data))
            if self._begun and self._deadline is None and not self._refused:
                self._deadline = self._loop.call_later(self._request_seconds, self._too_slow)

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    def shutdown(self) -> "asyncio.Task[None] | None":
        """Close once the requests under way, if any, have their responses: the task returned."""
        self._closing = True
        if not self._busy:
            self._transport.close()
            return None
        return self._task

    def abort(self) -> None:
        self._transport.abort()

    # httptools callbacks

    def on_message_begin(self) -> None:
        self._begun = True

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_complete:  # a trailer of a chunked body
            return
        self._head_size += len(name) + len(value) + 4
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._head_complete = True
        if self._head_size + len(self._target) > self._max_head:
            raise _Refusal(431)
        hosts, expects = 0, False
        for name, value in self._headers:
            lower = name.lower()
            hosts += lower == "host"
            # Where two servers could read a request differently, one is deceived (RFC 9112 §11.2).
            if hosts > 1 or (lower == "transfer-encoding" and value.lower() != "chunked"):
                raise _Refusal(400)
            if lower == "content-length" and int(value) > self._max_body:
                raise _Refusal(413)
            expects = expects or (lower == "expect" and value.lower() == "100-continue")
        if not hosts and self._parser.get_http_version() != "1.0":  # RFC 9112 §3.2
            raise _Refusal(400)
        if expects and not self._busy:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, chunk: bytes) -> None:
        self._body_size += len(chunk)
        if self._body_size > self._max_body:
            raise _Refusal(413)
        self._body.append(chunk)

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():  # feed_data raises HttpParserUpgrade next
            return
        request = self._request()
        keep_alive = self._parser.should_keep_alive()
        if keep_alive and self._parser.get_http_version() == "1.0":
            keep_alive = request.header("connection") is not None
        self._start_message()
        self._enqueue(request, keep_alive)

    # Reading

    def _start_message(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._head_complete = False
        self._head_size = 0
        self._body: list[bytes] = []
        self._body_size = 0
        self._fed = 0
        self._begun = False
        self._forget_deadline()

    def _request(self) -> Request:
        target = self._target.decode("latin-1")
        if not target.startswith("/"):
            target = _origin_form(target)
        return Request(
            method=self._parser.get_method().decode("latin-1"),
            target=target,
            headers=self._headers,
            body=b"".join(self._body),
            peer=self._peer,
            secure=self._secure,
        )

    def _upgrade_requested(self, rest: bytes) -> None:
        request = self._request()
        if request.method == "CONNECT":
            self._refuse(_Refusal(400))
        elif (request.header("upgrade") or "").lower() == "websocket":
            self._early = bytearray(rest)
            self._enqueue(request, keep_alive=False)
        else:
            self._read_without_upgrade(request, rest)

    def _read_without_upgrade(self, request: Request, rest: bytes) -> None:
        """Decline any other offer (h2c) by reading the request as if it made none."""
        head = [f"{request.method} {request.target} HTTP/{self._parser.get_http_version()}"]
        head += [f"{k}: {v}" for k, v in request.headers if k.lower() not in UPGRADE_HEADERS]
        self._start_message()
        self._parser = httptools.HttpRequestParser(self)
        self.data_received("\r\n".join([*head, "\r\n"]).encode("latin-1") + rest)

    def _limit_unfinished_head(self, size: int) -> None:
        # The parser reports a header only when it has ended; one that never ends must not grow.
        if not self._head_complete:
            self._fed += size
            if self._fed > self._max_head + MAX_READ:
                self._refuse(_Refusal(431))

    def _too_slow(self) -> None:
        self._refuse(_Refusal(408))

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, error: Exception) -> None:
        """Answer what cannot be served, after all that came before it, and read no further."""
        refusal = error if isinstance(error, _Refusal) else error.__context__
        status = refusal.status if isinstance(refusal, _Refusal) else 400
        self._refused = True
        self._forget_deadline()
        self._enqueue(json_message(status, REFUSALS[status]), keep_alive=False)

    # Answering

    def _enqueue(self, message: Request | Response, keep_alive: bool) -> None:
        if self._finished:
            return
        if self._busy:
            self._queue.append((message, keep_alive))
            if len(self._queue) == MAX_PIPELINED:
                self._transport.pause_reading()
            return
        answer = self._begin(message)
        if isinstance(answer, Response) and self._writable is None:
            self._send(message, answer, keep_alive)
            return
        self._busy = True
        self._task = self._loop.create_task(self._serve(message, answer, keep_alive))

    def _begin(self, message: Request | Response) -> Answer | Coroutine[Any, Any, Answer]:
        if isinstance(message, Response):
            return message
        try:
            answer = self._handler(message)
        except Exception:  # the border: whatever went wrong, the client gets an answer
            return _failure(message)
        return answer if isinstance(answer, Answer) else _awaited(message, answer)

    async def _serve(
        self,
        message: Request | Response,
        answer: Answer | Coroutine[Any, Any, Answer],
        keep_alive: bool,
    ) -> None:
        try:
            while await self._serve_one(message, answer, keep_alive) and self._queue:
                message, keep_alive = self._queue.popleft()
                answer = self._begin(message)
        finally:
            self._busy = False

    async def _serve_one(
        self,
        message: Request | Response,
        answer: Answer | Coroutine[Any, Any, Answer],
        keep_alive: bool,
    ) -> bool:
        """Whether the next one may follow."""
        if not isinstance(answer, Answer):
            answer = await answer
        if isinstance(answer, Upgrade):
            self._hand_over(answer)
            return False
        if self._gone:
            return False
        self._send(message, answer, keep_alive)
        if self._writable is not None:
            await self._writable.wait()
        if len(self._queue) == MAX_PIPELINED:
            self._transport.resume_reading()
        return not self._finished

    def _send(self, message: Request | Response, answer: Response, keep_alive: bool) -> None:
        keep_alive = keep_alive and not (self._closing and not self._queue)
        head_only = isinstance(message, Request) and message.method == "HEAD"
        self._transport.write(encoded(answer, head_only=head_only, keep_alive=keep_alive))
        if not keep_alive:
            self._finish()

    def _hand_over(self, upgrade: Upgrade) -> None:
        protocol = upgrade.start(self._transport, bytes(self._early or b""))
        if self._gone:
            protocol.connection_lost(None)
            return
        self._connections.discard(self)
        self._transport.set_protocol(protocol)

    def _finish(self) -> None:
        self._finished = True
        self._queue.clear()
        if not self._refused:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._loop.call_later(LINGER_SECONDS, self._transport.close)


async def _awaited(request: Request, answer: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        return await answer
    except Exception:  # the border, as above
        return _failure(request)


def _failure(request: Request) -> Response:
    logger.exception("request failed", extra={"method": request.method, "path": request.path})
    return json_message(500, "Internal Server Error")


class _Refusal(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _origin_form(target: str) -> str:
    """A server accepts http://host/path too (RFC 9112 §3.2.2)."""
    _, separator, rest = target.partition("://")
    if not separator:
        return target
    return "/" + rest.partition("/")[2]
