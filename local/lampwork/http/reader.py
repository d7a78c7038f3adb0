"""Reads HTTP/1.1 requests from bytes (RFC 9112), without a socket or an event loop."""

import re
from typing import Final, Protocol

import httptools

from lampwork.http.request import Request

MAX_HEAD: Final = 10_240
MAX_BODY: Final = 10 * 1024 * 1024

# The most an event loop hands over at once.
MAX_READ: Final = 256 * 1024

# A name, an address or nothing, and perhaps a port (RFC 3986 §3.2.2).
HOST: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(:[0-9]*)?", re.ASCII)

# A target with a host of its own (RFC 9112 §3.2.2).
ABSOLUTE: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://([^/?#]*)(.*)")

UPGRADE_HEADERS: Final = frozenset({"upgrade", "connection", "http2-settings"})


class Sink(Protocol):
    """Gets what a reader reads, in the order in which it came."""

    def received(self, request: Request, keep_alive: bool) -> None:
        """A whole request; unless `keep_alive`, its answer ends the connection."""

    def upgrade_requested(self, request: Request, early: bytes) -> None:
        """A request to speak WebSocket, and the bytes read after its head. No call follows."""

    def refused(self, status: int) -> None:
        """What came cannot be served: 400, 413 or 431. No call follows."""

    def expects_continue(self) -> None:
        """The client waits for a 100 before it sends the body."""


class RequestReader:
    """Turns the bytes of one connection into requests; `peer` and `secure` become theirs.

    `unfinished` says whether a request has come in part.
    """

    def __init__(
        self,
        sink: Sink,
        peer: tuple[str, int],
        *,
        secure: bool = False,
        max_body: int = MAX_BODY,
        max_head: int = MAX_HEAD,
    ) -> None:
        self._sink = sink
        self._peer = peer
        self._secure = secure
        self._max_body = max_body
        self._max_head = max_head
        self._stopped = False
        self._parser = httptools.HttpRequestParser(self)
        self._start_message()

    def feed(self, data: bytes) -> None:
        """Read on. What comes after a refusal or a WebSocket request is not looked at."""
        while data and not self._stopped:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._read_upgrade(data[upgrade.args[0] :])
            except httptools.HttpParserError as error:
                self._refuse(error)
            else:
                self._limit_unfinished_head(len(data))
                return

    def stop(self) -> None:
        """Read no more, and let go of what refers back to this reader and to its owner."""
        if not self._stopped:
            self._stopped = True
            self.unfinished = False
            del self._parser, self._sink

    # httptools callbacks

    def on_message_begin(self) -> None:
        self.unfinished = True

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head_complete:  # a trailer of a chunked body
            return
        self._head_size += len(name) + len(value) + 4
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._head_complete = True
        self._take_absolute_target()
        if self._head_size + len(self._target) > self._max_head:
            raise _Refusal(431)
        hosts, expects = 0, False
        for name, value in self._headers:
            lower = name.lower()
            hosts += lower == "host"
            # Two servers must not read one request differently (smuggling, RFC 9112 §11.2).
            if hosts > 1 or (lower == "transfer-encoding" and value.lower() != "chunked"):
                raise _Refusal(400)
            if lower == "host" and not HOST.fullmatch(value):  # RFC 9112 §3.2
                raise _Refusal(400)
            if lower == "content-length" and int(value) > self._max_body:
                raise _Refusal(413)
            expects = expects or (lower == "expect" and value.lower() == "100-continue")
        if not hosts and self._parser.get_http_version() != "1.0":  # RFC 9112 §3.2
            raise _Refusal(400)
        if expects:
            self._sink.expects_continue()

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
        if self._parser.get_http_version() == "1.0":
            request.knows_chunks = False
            keep_alive = keep_alive and request.header("connection") is not None
        self._start_message()
        self._sink.received(request, keep_alive)

    def _start_message(self) -> None:
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._head_complete = False
        self._head_size = 0
        self._body: list[bytes] = []
        self._body_size = 0
        self._fed = 0
        self.unfinished = False

    def _take_absolute_target(self) -> None:
        """A server must take a target such as http://host/path (RFC 9112 §3.2.2). Clients must name
        the same in Host (§3.2): where it names another host, each server may take either."""
        absolute = ABSOLUTE.fullmatch(self._target.decode("latin-1"))
        if absolute is None:
            return
        host, rest = absolute.groups()
        named = {value.lower() for name, value in self._headers if name.lower() == "host"}
        if named - {host.lower()}:
            raise _Refusal(400)
        self._target = (rest if rest.startswith("/") else f"/{rest}").encode("latin-1")

    def _request(self) -> Request:
        return Request(
            method=self._parser.get_method().decode("latin-1"),
            target=self._target.decode("latin-1"),
            headers=self._headers,
            body=b"".join(self._body),
            peer=self._peer,
            secure=self._secure,
        )

    def _read_upgrade(self, rest: bytes) -> bytes:
        """What is to be read next: the request, as if it made no offer, where that is declined."""
        request = self._request()
        if request.method == "CONNECT":
            self._refuse(_Refusal(400))
        elif (request.header("upgrade") or "").lower() == "websocket":
            sink = self._sink
            self.stop()
            sink.upgrade_requested(request, rest)
        else:  # such as h2c
            head = _head_without_upgrade(request, self._parser.get_http_version())
            self._start_message()
            self._parser = httptools.HttpRequestParser(self)
            return head + rest
        return b""

    def _limit_unfinished_head(self, size: int) -> None:
        # The parser reports a header only when it is complete, so an endless one must be cut off.
        if not self._head_complete:
            self._fed += size
            if self._fed > self._max_head + MAX_READ:
                self._refuse(_Refusal(431))

    def _refuse(self, error: Exception) -> None:
        """`error` is a refusal, the parser's own, or the parser's around a callback's refusal."""
        refusal = error if isinstance(error, _Refusal) else error.__context__
        sink = self._sink
        self.stop()
        sink.refused(refusal.status if isinstance(refusal, _Refusal) else 400)


class _Refusal(Exception):
    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def _head_without_upgrade(request: Request, version: str) -> bytes:
    lines = [f"{request.method} {request.target} HTTP/{version}"]
    lines += [f"{k}: {v}" for k, v in request.headers if k.lower() not in UPGRADE_HEADERS]
    return "\r\n".join([*lines, "\r\n"]).encode("latin-1")
