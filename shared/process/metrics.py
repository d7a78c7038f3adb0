"""What the application counts and measures. docs/metrics.md explains each metric; a test keeps the
two in step.

A record costs about a microsecond and is kept until `flush`. Dimensions come from small fixed sets:
never an id, an address or anything a user wrote.
"""

import json
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

NAMESPACE = "Lampwork"
MAX_VALUES = 100  # of one metric in one line, says the specification


class Unit(StrEnum):
    """CloudWatch's names. Counts are added up, everything else is a distribution."""

    COUNT = "Count"
    SECONDS = "Seconds"
    NONE = "None"


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    unit: Unit
    dimensions: tuple[str, ...] = ()


TASKS_SUBMITTED = Metric("TasksSubmitted", Unit.COUNT)
TASKS_STARTED = Metric("TasksStarted", Unit.COUNT)
TASKS_FINISHED = Metric("TasksFinished", Unit.COUNT, ("Status",))
TASK_ATTEMPTS = Metric("TaskAttempts", Unit.NONE)
TASK_RUN_DURATION = Metric("TaskRunDuration", Unit.SECONDS, ("Outcome",))
TASK_QUEUE_WAIT = Metric("TaskQueueWait", Unit.SECONDS)
TIME_TO_PICTURE = Metric("TimeToPicture", Unit.SECONDS)
MESSAGES_REJECTED = Metric("MessagesRejected", Unit.COUNT, ("Queue", "Reason"))

SWEEPS = Metric("Sweeps", Unit.COUNT)
SWEEP_REPAIRS = Metric("SweepRepairs", Unit.COUNT, ("Repair",))
QUEUED_TASKS = Metric("QueuedTasks", Unit.NONE)
PROCESSING_TASKS = Metric("ProcessingTasks", Unit.NONE)
STUCK_TASKS = Metric("StuckTasks", Unit.NONE)
OLDEST_QUEUED_AGE = Metric("OldestQueuedAge", Unit.SECONDS)
UNDISPATCHED_MESSAGES = Metric("UndispatchedMessages", Unit.NONE)

WAKE_UPS = Metric("WakeUps", Unit.COUNT)
TIME_TO_FIRST_FRAME = Metric("TimeToFirstFrame", Unit.SECONDS)
FRAMES_DELIVERED = Metric("FramesDelivered", Unit.COUNT, ("Kind",))
SOCKETS_DROPPED = Metric("SocketsDropped", Unit.COUNT, ("Reason",))

METRICS = tuple(each for each in list(globals().values()) if isinstance(each, Metric))

Labels = tuple[str, ...]


class Recorder(Protocol):
    """Where records go. Any thread may call it."""

    def record(self, metric: Metric, value: float, labels: Labels) -> None:
        """`labels` are the values of the metric's dimensions, in their order."""

    def flush(self) -> None: ...


class EmbeddedRecorder:
    """Prints the records as lines of JSON that CloudWatch and the emulator understand.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[Metric, Labels], list[float]] = {}

    def record(self, metric: Metric, value: float, labels: Labels) -> None:
        with self._lock:
            values = self._values.setdefault((metric, labels), [])
            if metric.unit is Unit.COUNT and values:
                values[0] += value
            else:
                values.append(value)
            full = len(values) >= MAX_VALUES
        if full:
            self.flush()

    def flush(self) -> None:
        """Print one line, or more where one line cannot hold it all; print nothing without
        records."""
        with self._lock:
            recorded, self._values = self._values, {}
        for document in _documents(recorded):
            # One write, so that lines of several threads do not mix.
            sys.stdout.write(json.dumps(document, separators=(",", ":")) + "\n")
            sys.stdout.flush()


_recorder: Recorder = EmbeddedRecorder()


def use(recorder: Recorder) -> None:
    """Send the records of this process to this recorder from now on."""
    global _recorder
    _recorder = recorder


def record(metric: Metric, value: float = 1, /, **dimensions: str) -> None:
    """Record one value, with a label for each dimension of the metric."""
    _recorder.record(metric, value, tuple(dimensions[name] for name in metric.dimensions))


def flush() -> None:
    """Write the records out: at the end of an invocation, and regularly in a worker."""
    _recorder.flush()


def _documents(recorded: dict[tuple[Metric, Labels], list[float]]) -> Iterable[dict[str, Any]]:
    """A member of a line has one value, so a second value for it goes into another line."""
    left = recorded
    while left:
        members, directives, rest = dict[str, Any](), dict[Labels, list[dict[str, str]]](), {}
        for (metric, labels), values in left.items():
            own = dict(zip(metric.dimensions, labels, strict=True))
            if any(members.get(name, word) != word for name, word in own.items()) or (
                metric.name in members
            ):
                rest[metric, labels] = values
                continue
            members |= own
            members[metric.name] = values if len(values) > 1 else values[0]
            definition = {"Name": metric.name, "Unit": metric.unit.value}
            directives.setdefault(metric.dimensions, []).append(definition)
        yield {"_aws": {"Timestamp": _now_ms(), "CloudWatchMetrics": list(_said(directives))}} | (
            members
        )
        left = rest


def _said(directives: dict[Labels, list[dict[str, str]]]) -> Iterator[dict[str, Any]]:
    for dimensions, metrics in directives.items():
        yield {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": metrics}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
