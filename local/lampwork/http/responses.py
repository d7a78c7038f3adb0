from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Protocol

BODILESS = frozenset({*range(100, 200), 204, 304})


@dataclass(slots=True)
class Response:
    """`headers` hold no Content-Length, Connection or Transfer-Encoding: `encoded` sets them."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


class Pieces(Protocol):
    """The pieces of a body, of which none is empty."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def __anext__(self) -> bytes:
        """
        Raises:
            BrokenBody: the client must see that the body is not whole.
        """

    async def aclose(self) -> None:
        """No more is asked for. It is called in any case."""


@dataclass(slots=True, kw_only=True)
class StreamedResponse(Response):
    """A response whose body comes in `pieces`."""

    pieces: Pieces


class BrokenBody(Exception):
    """The rest of a body will not come."""


def json_message(status: int, message: str) -> Response:
    """A response with the body that API Gateway gives its own errors."""
    return Response(
        status, [("content-type", "application/json")], b'{"message":"%s"}' % message.encode()
    )


def encoded(response: Response, *, head_only: bool, keep_alive: bool) -> bytes:
    """The bytes on the wire; with `head_only`, for a HEAD request, without the body."""
    head = _head(response, f"content-length: {len(response.body)}", keep_alive)
    if response.status in BODILESS or head_only:
        return head
    return head + response.body


def encoded_head(response: Response, *, chunked: bool, keep_alive: bool) -> bytes:
    """The head of a response whose length nobody knows yet. Unless it is `chunked`, the body ends
    with the connection."""
    return _head(response, "transfer-encoding: chunked" if chunked else None, keep_alive)


def chunk(piece: bytes) -> bytes:
    """One piece of a body in chunks (RFC 9112 §7.1); an empty one is its end."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


def _head(response: Response, framing: str | None, keep_alive: bool) -> bytes:
    lines = [_status_line(response.status)]
    lines += [f"{name}: {value}" for name, value in response.headers]
    if framing is not None and response.status not in BODILESS:
        lines.append(framing)
    lines.append("connection: keep-alive\r\n\r\n" if keep_alive else "connection: close\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1")


@lru_cache
def _status_line(status: int) -> str:
    try:
        return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP/1.1 {status} "
