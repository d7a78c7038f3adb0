import asyncio
from collections.abc import Awaitable, Callable, Iterable
from functools import cache
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    exposition,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from lampwork.invocation.port import Invocation
from lampwork.metrics.embedded import EmbeddedMetrics

CONTENT_TYPE: Final = exposition.CONTENT_TYPE_PLAIN_0_0_4
# From a warm function's millisecond to Lambda's longest run.
DURATIONS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1, 2.5, 5, 10, 30, 60, 300, 900),
)

Reading = tuple[tuple[str, ...], float]


class Metrics:
    """What the emulator counts and the metrics that its functions print, for Prometheus."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._refreshers: list[Callable[[], Awaitable[None]]] = []
        self._invocations = self._counter(
            "invocations", "Requests that functions have finished.", "function"
        )
        self._errors = self._counter(
            "invocation_errors", "Requests that ended in a function error.", "function"
        )
        self._durations = self._histogram(
            "invocation_duration_seconds", "How long functions took for a request.", "function"
        )
        self._cold_starts = self._counter(
            "cold_starts", "Requests that were the first of their environment.", "function"
        )
        self._inits = self._histogram(
            "init_duration_seconds", "How long environments took to load a function.", "function"
        )
        self._throttles = self._counter(
            "throttles",
            "Requests refused because no environment was available.",
            "function",
            "reason",
        )
        self._requests = self._counter(
            "http_requests",
            "Requests that the gateways have answered.",
            "method",
            "route",
            "status",
        )
        self._request_durations = self._histogram(
            "http_request_duration_seconds", "How long the gateways took to answer.", "route"
        )
        ProcessCollector(registry=self._registry)
        self.embedded = EmbeddedMetrics(self._own_names())
        self._registry.register(self.embedded)

    def invoked(self, function: str, invocation: Invocation) -> None:
        self._invocations(function).inc()
        self._durations(function).observe(invocation.duration_ms / 1000)
        if invocation.function_error is not None:
            self._errors(function).inc()
        if invocation.init_ms is not None:
            self._cold_starts(function).inc()
            self._inits(function).observe(invocation.init_ms / 1000)

    def throttled(self, function: str, reason: str) -> None:
        self._throttles(function, reason).inc()

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """`route` is the template's route, never the path, whose values have no limit."""
        self._requests(method, route, status).inc()
        self._request_durations(route).observe(seconds)

    def watch(
        self,
        name: str,
        description: str,
        labels: tuple[str, ...],
        read: Callable[[], Iterable[Reading]],
        *,
        counts: bool = False,
    ) -> None:
        """Expose what `read` returns at each scrape: a gauge or, with `counts`, a counter."""
        self._registry.register(_Watched(f"lampwork_{name}", description, labels, read, counts))

    def refresh_with(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """Await `refresh` before each scrape, for readings that need I/O."""
        self._refreshers.append(refresh)

    async def expose(self) -> bytes:
        """All metrics in Prometheus' text format 0.0.4."""
        await asyncio.gather(*(refresh() for refresh in self._refreshers))
        return exposition.generate_latest(self._registry)

    def _counter(self, name: str, description: str, *labels: str) -> Callable[..., Counter]:
        """From label values to a counter. Cached, because a look-up costs more than counting."""
        counter = Counter(f"lampwork_{name}", description, labels, registry=self._registry)
        return cache(counter.labels)

    def _histogram(self, name: str, description: str, *labels: str) -> Callable[..., Histogram]:
        histogram = Histogram(
            f"lampwork_{name}", description, labels, registry=self._registry, buckets=DURATIONS
        )
        return cache(histogram.labels)

    def _own_names(self) -> frozenset[str]:
        return frozenset(metric.name for metric in self._registry.collect())


class _Watched(Collector):
    def __init__(
        self,
        name: str,
        description: str,
        labels: tuple[str, ...],
        read: Callable[[], Iterable[Reading]],
        counts: bool,
    ) -> None:
        self._name_and_description = (name, description)
        self._labels = labels
        self._read = read
        self._family = CounterMetricFamily if counts else GaugeMetricFamily

    def collect(self) -> Iterable[Metric]:
        family = self._family(*self._name_and_description, labels=self._labels)
        for labels, value in self._read():
            family.add_metric(labels, value)
        yield family
