"""CloudWatch's embedded metric format: metrics that a program prints as JSON lines.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import logging
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lampwork.json_text import parsed

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

logger = logging.getLogger(__name__)

# A dimension whose values are ids would otherwise fill our memory and that of Prometheus.
MAX_SERIES: Final = 10_000
# CloudWatch's unit → the suffix and the factor that turn it into Prometheus' base unit.
UNITS: Final = {
    "Seconds": ("_seconds", 1.0),
    "Milliseconds": ("_seconds", 1e-3),
    "Microseconds": ("_seconds", 1e-6),
    "Bytes": ("_bytes", 1.0),
    "Kilobytes": ("_bytes", 1e3),
    "Megabytes": ("_bytes", 1e6),
    "Gigabytes": ("_bytes", 1e9),
    "Percent": ("_ratio", 1e-2),
}

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """Values of one metric. Those with the unit Count are added up; others are a distribution."""

    name: str
    labels: Labels
    values: tuple[float, ...]
    is_count: bool


class EmbeddedMetrics:
    """The metrics that functions print, as counters (`NAMESPACE_NAME_total`) and summaries.

    Of several sets of dimensions, the most detailed one gives the labels; sums over it give the
    others. `reserved_names` returns the metrics that printed ones must not replace. A collector of
    Prometheus' client, which is imported only for a scrape.
    """

    def __init__(self, reserved_names: Callable[[], Collection[str]] = tuple) -> None:
        self._reserved_names = reserved_names
        self._series: dict[tuple[str, bool], dict[Labels, list[float]]] = {}
        self._size = 0

    def record_line(self, line: str) -> bool:
        """Record the metrics in a printed line. False if it has none, so it belongs to the log."""
        if not line.startswith("{") or '"_aws"' not in line:
            return False
        observations = list(_observations(line))
        for observation in observations:
            self._add(observation)
        return bool(observations)

    def collect(self) -> "Iterable[Metric]":
        from prometheus_client.metrics_core import Metric

        for (name, is_count), series in self._series.items():
            metric = Metric(
                name, "Printed by the application.", "counter" if is_count else "summary"
            )
            for labels, (number, total) in series.items():
                if is_count:
                    metric.add_sample(f"{name}_total", dict(labels), total)
                else:
                    metric.add_sample(f"{name}_count", dict(labels), number)
                    metric.add_sample(f"{name}_sum", dict(labels), total)
            yield metric

    def _add(self, observation: Observation) -> None:
        series = self._series.setdefault((observation.name, observation.is_count), {})
        if observation.labels not in series:
            if self._size >= MAX_SERIES or self._clashes(observation):
                return
            self._size += 1
            series[observation.labels] = [0.0, 0.0]
        totals = series[observation.labels]
        totals[0] += len(observation.values)
        totals[1] += sum(observation.values)

    def _clashes(self, observation: Observation) -> bool:
        """Whether a metric of this name exists; Prometheus rejects a page with two of one name."""
        other_kind = (observation.name, not observation.is_count)
        if observation.name not in self._reserved_names() and not self._series.get(other_kind):
            return False
        logger.warning(
            "a printed metric's name is already in use", extra={"metric": observation.name}
        )
        return True


def _observations(line: str) -> Iterator[Observation]:
    """Every metric in a line that follows the format's specification."""
    try:
        document = parsed(line)
    except ValueError:
        return
    for directive in _list(_dict(document.get("_aws")).get("CloudWatchMetrics")):
        namespace = _dict(directive).get("Namespace")
        if not isinstance(namespace, str):
            continue
        labels = _labels(directive, document)
        for definition in map(_dict, _list(directive.get("Metrics"))):
            name = definition.get("Name")
            values = _values(document.get(name)) if isinstance(name, str) else ()
            if values:
                yield _observation(namespace, definition, labels, values)


def _observation(
    namespace: str, definition: dict[str, Any], labels: Labels, values: tuple[float, ...]
) -> Observation:
    unit = definition.get("Unit", "None")
    suffix, factor = UNITS.get(str(unit), ("", 1.0))
    name = f"{_snake(namespace)}_{_snake(definition['Name'])}".removesuffix("_total")
    name = name.removesuffix(suffix) + suffix
    scaled = tuple(value * factor for value in values)
    return Observation(name, labels, scaled, is_count=unit == "Count")


def _labels(directive: dict[str, Any], document: dict[str, Any]) -> Labels:
    sets = [dimensions for dimensions in _list(directive.get("Dimensions")) if _list(dimensions)]
    most_detailed: list[Any] = max(sets, key=len, default=[])
    names = [name for name in most_detailed if isinstance(name, str)]
    present = {name: document[name] for name in names if name in document}
    return tuple(sorted((_snake(name), str(value)) for name, value in present.items()))


def _values(value: object) -> tuple[float, ...]:
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in values):
        return ()
    return tuple(map(float, values))


def _snake(name: str) -> str:
    """`TasksSubmitted` and `tasks-submitted` both become `tasks_submitted`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    text = re.sub(r"[^a-zA-Z0-9]+", "_", words).strip("_").lower()
    return text if text[:1].isalpha() else f"_{text}"


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
