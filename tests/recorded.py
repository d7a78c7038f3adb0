"""Collects the metrics that the code under test records, in place of their real destination."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from shared.process import metrics
from shared.process.metrics import EmbeddedRecorder, Labels, Metric


class Records:
    def __init__(self) -> None:
        self._values: dict[tuple[str, Labels], list[float]] = defaultdict(list)

    def record(self, metric: Metric, value: float, labels: Labels) -> None:
        self._values[metric.name, labels].append(value)

    def flush(self) -> None:
        pass

    def sum(self, metric: Metric, *labels: str) -> float:
        return sum(self._values[metric.name, labels])

    def values(self, metric: Metric, *labels: str) -> list[float]:
        return self._values[metric.name, labels]

    def all(self, metric: Metric) -> dict[Labels, float]:
        """The sum of each of the metric's labels."""
        return {
            labels: sum(values)
            for (name, labels), values in self._values.items()
            if name == metric.name
        }


@contextmanager
def recording() -> Iterator[Records]:
    records = Records()
    metrics.use(records)
    try:
        yield records
    finally:
        metrics.use(EmbeddedRecorder())
