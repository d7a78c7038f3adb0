"""The embedded AWS behind a guard of what functions ask of it."""

from collections.abc import Iterable
from http import HTTPStatus
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.permissions.callers import HEADER, PARAMETER
from lampwork.permissions.guard import Guard
from lampwork.permissions.requests.asked import Call

TOKEN = f"HTTP_{HEADER.upper().replace('-', '_')}"


class GuardedServices:
    def __init__(self, app: WSGIApplication, guard: Guard) -> None:
        self._app = app
        self._guard = guard

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if TOKEN in environ or PARAMETER in environ.get("QUERY_STRING", ""):
            refused = self._guard.refused(_call(environ))
            if refused is not None:
                status = f"{refused.status} {HTTPStatus(refused.status).phrase}"
                start(status, [*refused.headers, ("Content-Length", str(len(refused.body)))])
                return [refused.body]
        return self._app(environ, start)


def _call(environ: WSGIEnvironment) -> Call:
    body: bytes = environ["wsgi.input"].read()
    environ["wsgi.input"].seek(0)
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_") or name == "CONTENT_TYPE"
    }
    path = str(environ.get("REQUEST_URI") or environ["PATH_INFO"]).partition("?")[0]
    return Call(environ["REQUEST_METHOD"], path, environ.get("QUERY_STRING", ""), headers, body)
