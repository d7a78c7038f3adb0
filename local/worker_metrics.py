"""Publishes what `shared.process.metrics` records in a worker: printed each second, or served to
Prometheus.

It also counts the messages that become dead letters.
"""

import re
import threading
from typing import Any

from dramatiq import Broker, MessageProxy, Middleware, Worker

from shared.process import metrics
from shared.process.metrics import METRICS, NAMESPACE, Labels, Metric, Unit
from shared.settings import MetricsFormat

FLUSH_SECONDS = 1.0
# From a worker's quick answer to the longest wait in a queue.
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)


def middleware(format: MetricsFormat) -> list[Middleware]:
    """The middleware for this format. Prometheus's page also has Dramatiq's own metrics; the
    variables `dramatiq_prom_*` say where the page is."""
    if format is MetricsFormat.EMF:
        return [Rejections(), Printer()]
    from dramatiq.middleware.prometheus import Prometheus  # makes a folder when it is loaded

    return [Rejections(), PrometheusRecords(), Prometheus()]


class Rejections(Middleware):
    """Counts the messages that become dead letters, by queue and reason."""

    def __init__(self) -> None:
        self._expired: set[str] = set()

    def after_skip_message(self, broker: Broker, message: MessageProxy) -> None:
        if message.failed:
            self._expired.add(message.message_id)

    def after_nack(self, broker: Broker, message: MessageProxy) -> None:
        if message.message_id in self._expired:
            self._expired.discard(message.message_id)
            reason = "expired"
        else:
            reason = "failed" if message.actor_name in broker.actors else "unknown_actor"
        metrics.record(metrics.MESSAGES_REJECTED, Queue=message.queue_name, Reason=reason)


class Printer(Middleware):
    """Flushes once a second rather than after each message, and at the worker's end."""

    def __init__(self) -> None:
        self._ending = threading.Event()

    def before_worker_boot(self, broker: Broker, worker: Worker) -> None:
        threading.Thread(target=self._print, name="metrics", daemon=True).start()

    def after_worker_shutdown(self, broker: Broker, worker: Worker) -> None:
        self._ending.set()
        metrics.flush()

    def _print(self) -> None:
        while not self._ending.wait(FLUSH_SECONDS):
            metrics.flush()


class PrometheusRecords(Middleware):
    """Adds our records to Dramatiq's own metrics. Dramatiq's middleware must follow this one:
    `after_` events reach the last middleware first."""

    def after_process_boot(self, broker: Broker) -> None:
        metrics.use(PrometheusRecorder())


class PrometheusRecorder:
    """Counters and distributions that the worker's exposition process reads.

    The library reads its environment when it is loaded, so it must not be loaded before Dramatiq's
    middleware has set that.
    """

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram, Summary

        registry = CollectorRegistry()

        def series(metric: Metric) -> Any:
            about = (prometheus_name(metric), metric.name, [*map(_snake, metric.dimensions)])
            match metric.unit:
                case Unit.COUNT:
                    return Counter(*about, registry=registry)
                case Unit.SECONDS:
                    return Histogram(*about, registry=registry, buckets=BUCKETS)
                case Unit.NONE:
                    return Summary(*about, registry=registry)

        self._series = {metric: series(metric) for metric in METRICS}

    def record(self, metric: Metric, value: float, labels: Labels) -> None:
        series = self._series[metric]
        if labels:
            series = series.labels(*labels)
        if metric.unit is Unit.COUNT:
            series.inc(value)
        else:
            series.observe(value)

    def flush(self) -> None:
        pass  # each value is where it can be read


def prometheus_name(metric: Metric) -> str:
    """As the emulator names the printed metric: a counter's without its `_total`."""
    suffix = "_seconds" if metric.unit is Unit.SECONDS else ""
    return f"{_snake(NAMESPACE)}_{_snake(metric.name)}{suffix}"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
