"""A connection of the HTTP/1.1 server: whole requests in, responses out (RFC 9112)."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, cast

from lampwork.http.reader import MAX_BODY, MAX_HEAD, RequestReader
from lampwork.http.request import Request
from lampwork.http.responses import (
    BODILESS,
    BrokenBody,
    Response,
    StreamedResponse,
    chunk,
    encoded,
    encoded_head,
    json_message,
)

logger = logging.getLogger(__name__)

MAX_PIPELINED = 32
# How long to read and drop what a refused client still sends. Closing at once would reset the
# connection, and the client would never see why (RFC 9112 §9.6).
LINGER_SECONDS = 5
# How long a client may take to send one request, so that none can hold a connection for ever.
REQUEST_SECONDS = 60

REFUSALS = {
    400: "Bad Request",
    408: "Request Timeout",
    413: "Request Entity Too Large",
    431: "Request Header Fields Too Large",
}


@dataclass(slots=True)
class Upgrade:
    """Hands the connection over: the protocol that `start` returns gets its further callbacks.

    `start` is called with the transport and the bytes read after the request's head; its protocol's
    `connection_made` is not called. If the client has left by then, the transport `is_closing()`
    and must not be written to, and `connection_lost` follows at once.
    """

    start: Callable[[asyncio.Transport, bytes], asyncio.Protocol]


Answer = Response | Upgrade
Pending = Coroutine[Any, Any, Answer]
# A handler that can answer at once returns the answer, which saves a task. It does not stream.
Handler = Callable[[Request], Answer | Pending]


class HttpProtocol(asyncio.Protocol):
    """Serves one connection; pipelined requests are answered in order.

    A handler runs to its end even if the client has left, so that it is never stopped halfway.
    Each open connection is in `connections`, so that the owner can call its `shutdown()`.
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

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader(
            self,
            (transport.get_extra_info("peername") or ("", 0))[:2],
            secure=self._secure,
            max_body=self._max_body,
            max_head=self._max_head,
        )
        self._connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._gone = True
        self._forget_deadline()
        self._connections.discard(self)
        self._queue.clear()
        self._reader.stop()
        self.resume_writing()

    def eof_received(self) -> bool:
        """Without TLS or a WebSocket, a client may end its side and still wait for answers."""
        self._closing = True
        return self._busy and not self._secure and self._early is None

    def data_received(self, data: bytes) -> None:
        if self._early is not None:
            self._early += data
            return
        self._reader.feed(data)
        if self._deadline is None and self._reader.unfinished:
            self._deadline = self._loop.call_later(self._request_seconds, self.refused, 408)

    def pause_writing(self) -> None:
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set()
            self._writable = None

    def shutdown(self) -> "asyncio.Task[None] | None":
        """Close once requests under way, if any, are answered: await the task returned for them."""
        self._closing = True
        if not self._busy:
            self._transport.close()
            return None
        return self._task

    def abort(self) -> None:
        self._transport.abort()

    # What the reader found

    def received(self, request: Request, keep_alive: bool) -> None:
        self._forget_deadline()
        self._enqueue(request, keep_alive)

    def upgrade_requested(self, request: Request, early: bytes) -> None:
        self._forget_deadline()
        self._early = bytearray(early)
        self._enqueue(request, keep_alive=False)

    def refused(self, status: int) -> None:
        """Answer what cannot be served, after all that came before it, and read no further."""
        self._refused = True
        self._reader.stop()
        self._forget_deadline()
        self._enqueue(json_message(status, REFUSALS[status]), keep_alive=False)

    def expects_continue(self) -> None:
        if not self._busy:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

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

    def _begin(self, message: Request | Response) -> Answer | Pending:
        if isinstance(message, Response):
            return message
        try:
            answer = self._handler(message)
        except Exception:  # whatever went wrong, the client gets an answer
            return _failure(message)
        return answer if isinstance(answer, Answer) else _awaited(message, answer)

    async def _serve(
        self,
        message: Request | Response,
        answer: Answer | Pending,
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
        answer: Answer | Pending,
        keep_alive: bool,
    ) -> bool:
        """Send one answer; whether the next may follow."""
        if not isinstance(answer, Answer):
            answer = await answer
        if isinstance(answer, Upgrade):
            self._hand_over(answer)
            return False
        if isinstance(answer, StreamedResponse) and isinstance(message, Request):
            await self._stream(message, answer, keep_alive)
        elif self._gone:
            return False
        else:
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

    async def _stream(self, request: Request, answer: StreamedResponse, keep_alive: bool) -> None:
        """Send an answer as its pieces come, until its end or until the client has left."""
        chunked = request.knows_chunks
        bodiless = answer.status in BODILESS or request.method == "HEAD"
        keep_alive = keep_alive and chunked and not (self._closing and not self._queue)
        if not self._gone:
            self._transport.write(encoded_head(answer, chunked=chunked, keep_alive=keep_alive))
        try:
            async with aclosing(answer.pieces) as pieces:
                if not bodiless:
                    async for piece in pieces:
                        if self._gone:
                            return
                        self._transport.write(chunk(piece) if chunked else piece)
                        if self._writable is not None:
                            await self._writable.wait()
        except BrokenBody:
            self._finish()  # without its end, the client sees that it is not whole
            return
        except Exception:  # as above
            logger.exception("an answer ended in its middle", extra={"path": request.path})
            self._finish()
            return
        if self._gone:
            return
        if chunked and not bodiless:
            self._transport.write(chunk(b""))
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


async def _awaited(request: Request, answer: Pending) -> Answer:
    try:
        return await answer
    except Exception:  # as above
        return _failure(request)


def _failure(request: Request) -> Response:
    logger.exception("request failed", extra={"method": request.method, "path": request.path})
    return json_message(500, "Internal Server Error")
