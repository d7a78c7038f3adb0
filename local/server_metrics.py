"""What the processes of a server or of the schedule count, on one page for Prometheus.

Each process keeps its figures in files of one folder, and the first process shows their sums. The
requests have the names that they have on the emulator's page.
"""

import os
import time
from tempfile import mkdtemp
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local.worker_metrics import PrometheusRecorder
from shared.process import metrics

PORT = 9191  # as Dramatiq's workers


def serve_page() -> None:
    """Serve the page from a thread of this process: METRICS_PORT, or 9191. The processes that it
    starts inherit where they count.

    The library reads its environment when it is loaded, so nothing may have loaded it before.
    """
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = mkdtemp(prefix="metrics-")
    from prometheus_client import CollectorRegistry, start_http_server
    from prometheus_client.multiprocess import MultiProcessCollector

    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    start_http_server(int(os.environ.get("METRICS_PORT", PORT)), registry=registry)


def count_here() -> None:
    """Count what this process records from now on for the page."""
    metrics.use(PrometheusRecorder())


class Measured:
    """Counts the requests of an application, and how long each waited for its answer to begin: a
    stream may go on for hours."""

    def __init__(self, app: ASGIApp) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        registry = CollectorRegistry()
        self._app = app
        self._requests = Counter(
            "lampwork_http_requests",
            "Requests that were answered.",
            ["method", "route", "status"],
            registry=registry,
        )
        self._durations = Histogram(
            "lampwork_http_request_duration_seconds",
            "How long an answer took to begin.",
            ["route"],
            registry=registry,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.perf_counter()

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = _route(scope)
                self._requests.labels(_method(scope), route, message["status"]).inc()
                self._durations.labels(route).observe(time.perf_counter() - began)
            await send(message)

        return await self._app(scope, receive, count)


def _route(scope: Scope) -> str:
    """The route as `template.yaml` names it; there are no more labels than routes."""
    route: Any = scope.get("route")
    return f"{_method(scope)} {route.path}" if hasattr(route, "path") else "none"


def _method(scope: Scope) -> str:
    """A client may send any word as the method."""
    return scope["method"] if scope.get("route") is not None else "other"
