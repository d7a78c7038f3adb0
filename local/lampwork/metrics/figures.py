"""The figures themselves, in the types of Prometheus' client, which takes 25 ms to import."""

from collections.abc import Callable, Iterable, Sequence
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

from lampwork.metrics.embedded import EmbeddedMetrics
from lampwork.metrics.readings import Watched

CONTENT_TYPE: Final = exposition.CONTENT_TYPE_PLAIN_0_0_4
# From a warm function's millisecond to Lambda's longest run.
DURATIONS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1, 2.5, 5, 10, 30, 60, 300, 900),
)


class Figures:
    """What is counted, what functions print (`embedded`), and what is `watched`."""

    def __init__(self, embedded: EmbeddedMetrics, watched: Sequence[Watched]) -> None:
        self._registry = CollectorRegistry()
        self.invocations = self._counter(
            "invocations", "Requests that functions have finished.", "function"
        )
        self.errors = self._counter(
            "invocation_errors", "Requests that ended in a function error.", "function"
        )
        self.durations = self._histogram(
            "invocation_duration_seconds", "How long functions took for a request.", "function"
        )
        self.cold_starts = self._counter(
            "cold_starts", "Requests that were the first of their environment.", "function"
        )
        self.inits = self._histogram(
            "init_duration_seconds", "How long environments took to load a function.", "function"
        )
        self.throttles = self._counter(
            "throttles",
            "Requests refused because no environment was available.",
            "function",
            "reason",
        )
        self.requests = self._counter(
            "http_requests",
            "Requests that the gateways have answered.",
            "method",
            "route",
            "status",
        )
        self.request_durations = self._histogram(
            "http_request_duration_seconds", "How long the gateways took to answer.", "route"
        )
        ProcessCollector(registry=self._registry)
        self.names = frozenset(metric.name for metric in self._registry.collect())
        self._registry.register(embedded)
        self._registry.register(_AllWatched(watched))

    def text(self) -> bytes:
        """All of them in Prometheus' text format 0.0.4."""
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


class _AllWatched(Collector):
    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = watched

    def collect(self) -> Iterable[Metric]:
        for each in self._watched:
            kind = CounterMetricFamily if each.counts else GaugeMetricFamily
            family = kind(f"lampwork_{each.name}", each.description, labels=each.labels)
            for labels, value in each.read():
                family.add_metric(labels, value)
            yield family
