from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

BODILESS = frozenset({*range(100, 200), 204, 304})


@dataclass(slots=True)
class Response:
    """`headers` hold no Content-Length, Connection or Transfer-Encoding: `encoded` sets them."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""


def json_message(status: int, message: str) -> Response:
    """A response with the body that API Gateway gives its own errors."""
    return Response(
        status, [("content-type", "application/json")], b'{"message":"%s"}' % message.encode()
    )


def encoded(response: Response, *, head_only: bool, keep_alive: bool) -> bytes:
    """The bytes on the wire; with `head_only`, for a HEAD request, without the body."""
    lines = [_status_line(response.status)]
    lines += [f"{name}: {value}" for name, value in response.headers]
    if response.status not in BODILESS:
        lines.append(f"content-length: {len(response.body)}")
    lines.append("connection: keep-alive\r\n\r\n" if keep_alive else "connection: close\r\n\r\n")
    head = "\r\n".join(lines).encode("latin-1")
    if response.status in BODILESS or head_only:
        return head
    return head + response.body


@lru_cache
def _status_line(status: int) -> str:
    try:
        return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP/1.1 {status} "
