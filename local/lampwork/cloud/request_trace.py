"""The trace header of a request to the embedded AWS.

SQS, SNS and S3 pass it on with what the request sends: it says in which chain of requests a
function is invoked. https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_TRACE_HEADER: Final[ContextVar[str | None]] = ContextVar("trace header", default=None)


def trace_header() -> str | None:
    """The trace header of the request that is being answered; None if it has none."""
    return _TRACE_HEADER.get()


@contextmanager
def with_trace(header: str | None) -> Iterator[None]:
    """Let what is sent in this block have this trace header."""
    token = _TRACE_HEADER.set(header)
    try:
        yield
    finally:
        _TRACE_HEADER.reset(token)


class RequestTrace:
    """Notes the trace header of each request for as long as it is being answered."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        token = _TRACE_HEADER.set(environ.get("HTTP_X_AMZN_TRACE_ID"))
        try:
            return self._app(environ, start)
        finally:
            _TRACE_HEADER.reset(token)
