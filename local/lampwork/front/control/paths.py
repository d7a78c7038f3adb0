"""The emulator's own paths. Any program on this machine may use them, but no web page may.

AWS either has no such paths or requires a signature for them. Without this check, a page of any
site could reach them here with a cross-site request. The front itself refuses foreign host names.
"""

from collections.abc import Awaitable, Callable

from lampwork.front.control.history_api import HistoryApi
from lampwork.front.control.local_only import OWN_SITE
from lampwork.http.internal_paths import HEALTH, INVOCATIONS, METRICS, TESTING, TRACES
from lampwork.http.request import Request
from lampwork.http.responses import Response, json_message
from lampwork.metrics.figures import CONTENT_TYPE
from lampwork.metrics.metrics import Metrics

Testing = Callable[[Request], Awaitable[Response]]


class ControlPaths:
    """Serves /_lampwork/health and /_lampwork/metrics, and the history where there is one;
    `testing` serves /_lampwork/testing/."""

    def __init__(
        self,
        metrics: Metrics,
        testing: Testing | None = None,
        history: HistoryApi | None = None,
    ) -> None:
        self._metrics = metrics
        self._testing = testing
        self._history = history

    async def serve(self, request: Request) -> Response:
        if self._history is not None and self._history.serves(request.path):
            return await self._history.serve(request)
        if refusal := self.refusal(request):
            return refusal
        path = request.path
        if self._testing is not None and path.startswith(TESTING):
            return await self._testing(request)
        if path.startswith((INVOCATIONS, TRACES)):
            return json_message(404, "The history is off, by [tool.lampwork.history]")
        if path not in (HEALTH, METRICS):
            return json_message(404, "Not Found")
        if request.method not in ("GET", "HEAD"):
            return json_message(405, "Method Not Allowed")
        if path == HEALTH:
            return Response(200, [("content-type", "application/json")], b'{"status":"ok"}')
        return Response(200, [("content-type", CONTENT_TYPE)], await self._metrics.expose())

    def refusal(self, request: Request) -> Response | None:
        """The 403 for a request that a web page may have sent; None for any other request."""
        # Browsers send an Origin header with every WebSocket and with every request except a page's
        # plain read of its own site. For reads, the header Sec-Fetch-Site tells the sites apart:
        # https://www.w3.org/TR/fetch-metadata/
        if request.header("origin") is not None:
            return json_message(403, "A web page may not send this request")
        if request.header("sec-fetch-site") not in OWN_SITE:
            return json_message(403, "A page of another site may not send this request")
        return None
