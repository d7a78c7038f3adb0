"""The emulator's own paths. Any program on this machine may use them, but no page of a browser.

AWS has nothing like them, or asks for a signature there. Here a page of any site could otherwise
reach them: by a request across sites, or under its own name made to mean this machine (DNS
rebinding).
"""

from collections.abc import Collection
from typing import Final

from lampwork.http.hosts import host_of, is_own
from lampwork.http.internal_paths import HEALTH, METRICS
from lampwork.http.request import Request
from lampwork.http.responses import Response, json_message
from lampwork.metrics.metrics import CONTENT_TYPE, Metrics

OWN_SITE: Final = (None, "none", "same-origin")


class ControlPaths:
    """Serves /_lampwork/health and /_lampwork/metrics.

    `allowed_hosts` are the names, besides localhost and any address, by which clients may ask.
    """

    def __init__(self, metrics: Metrics, allowed_hosts: Collection[str]) -> None:
        self._metrics = metrics
        self._allowed_hosts = {host.lower() for host in allowed_hosts}

    async def serve(self, request: Request) -> Response:
        if refusal := self.refusal(request):
            return refusal
        path = request.path
        if path not in (HEALTH, METRICS):
            return json_message(404, "Not Found")
        if request.method not in ("GET", "HEAD"):
            return json_message(405, "Method Not Allowed")
        if path == HEALTH:
            return Response(200, [("content-type", "application/json")], b'{"status":"ok"}')
        return Response(200, [("content-type", CONTENT_TYPE)], await self._metrics.expose())

    def refusal(self, request: Request) -> Response | None:
        """What a page of a browser gets instead of what it asks for."""
        # Browsers send an origin with all but a page's plain reading of its own site, and with
        # every WebSocket; https://www.w3.org/TR/fetch-metadata/ covers reading.
        if request.header("origin") is not None:
            return json_message(403, "A page may not ask for this")
        if request.header("sec-fetch-site") not in OWN_SITE:
            return json_message(403, "A page of another site may not ask for this")
        if not is_own(host_of(request.header("host") or ""), self._allowed_hosts):
            return json_message(403, "This Host is not among allowed_hosts in [tool.lampwork]")
        return None
