from collections.abc import Collection, Iterable
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.http.hosts import host_of, is_own, is_own_origin

REFUSAL: Final = b"A page of another site may not send this request.\n"


class PageGuard:
    """Refuses requests from pages of other sites. AWS refuses them by requiring a signature.

    Pages of this machine are allowed, for example to upload an object with a presigned URL.
    """

    def __init__(self, app: WSGIApplication, allowed_hosts: Collection[str]) -> None:
        self._app = app
        self._allowed = {host.lower() for host in allowed_hosts}

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if self._may_ask(environ):
            return self._app(environ, start)
        length = str(len(REFUSAL))
        start("403 Forbidden", [("Content-Type", "text/plain"), ("Content-Length", length)])
        return [REFUSAL]

    def _may_ask(self, environ: WSGIEnvironment) -> bool:
        origin = environ.get("HTTP_ORIGIN")
        if origin is not None and not is_own_origin(origin, self._allowed):
            return False
        # The address of an image can call an operation of SQS or SNS, and browsers send no Origin
        # header when they load an image.
        if environ.get("HTTP_SEC_FETCH_SITE") == "cross-site" and "Action=" in environ.get(
            "QUERY_STRING", ""
        ):
            return False
        return is_own(host_of(environ.get("HTTP_HOST", "")), self._allowed)
