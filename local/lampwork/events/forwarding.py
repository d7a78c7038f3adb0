"""The headers with which a gateway describes the client to a function."""

from lampwork.events.identifiers import new_trace_header
from lampwork.http.request import Request


def host(request: Request) -> str:
    """The host, with its port, to which the client sent the request: an event's `domainName`."""
    return request.header("host") or "localhost"


def forwarding_headers(request: Request) -> list[tuple[str, str]]:
    """The headers that a gateway adds to a request. Those that a proxy in front of it has set are
    kept."""
    came_through = request.header("x-forwarded-for")
    source_ip = request.peer[0]
    scheme = "https" if request.secure else "http"
    default_port = "443" if request.secure else "80"
    port = host(request).rpartition("]")[2].partition(":")[2] or default_port
    return [
        ("X-Amzn-Trace-Id", request.header("x-amzn-trace-id") or new_trace_header()),
        ("X-Forwarded-For", f"{came_through}, {source_ip}" if came_through else source_ip),
        ("X-Forwarded-Port", request.header("x-forwarded-port") or port),
        ("X-Forwarded-Proto", request.header("x-forwarded-proto") or scheme),
    ]


FORWARDING = frozenset(
    {"x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
)
