"""What Lambda itself writes into a function's log: text or, with `LogFormat: JSON`, the events of
its Telemetry API."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, Final, NamedTuple, Protocol

from lampwork.logs.levels import at_least
from lampwork.stack.model import Function
from lampwork.timestamps import iso_milliseconds

# Any other type is an error class of the user's own, which Lambda reports as unknown:
# https://github.com/aws/aws-lambda-runtime-interface-emulator, fatalerror/constants.go
ERROR_TYPE: Final = re.compile(r"(Runtime|Function|Extension)\.[A-Z][a-zA-Z]+")
UNKNOWN: Final = "Runtime.Unknown"

encode = json.JSONEncoder(separators=(",", ":")).encode


class Status(NamedTuple):
    """How an init or a request ended, as Lambda sees it."""

    name: str
    error_type: str = ""

    @classmethod
    def of_error(cls, error: bytes) -> "Status":
        """The status of an init that failed with this JSON error."""
        named = str(json.loads(error).get("errorType", ""))
        return cls("error", named if ERROR_TYPE.fullmatch(named) else UNKNOWN)


SUCCESS: Final = Status("success")
TIMEOUT: Final = Status("timeout")
EXITED: Final = Status("error", "Runtime.ExitError")
# The answer of such a request still says Runtime.ExitError.
OUT_OF_MEMORY: Final = Status("error", "Runtime.OutOfMemory")


class RequestEnd(NamedTuple):
    """The end of a request. `init_ms` is None unless it was the first of its environment."""

    request_id: str
    status: Status
    produced_bytes: int
    duration_ms: float
    init_ms: float | None
    memory_mb: int

    @property
    def billed_ms(self) -> int:
        """Whole milliseconds, with the init:
        https://aws.amazon.com/blogs/compute/aws-lambda-standardizes-billing-for-init-phase/
        """
        return math.ceil(self.duration_ms + (self.init_ms or 0))


class PlatformLog(Protocol):
    """The lines for each moment in the life of an execution environment."""

    def init_started(self) -> Iterable[str]: ...

    def init_ended(self, status: Status, duration_ms: float) -> Iterable[str]: ...

    def started(self, request_id: str) -> Iterable[str]: ...

    def ended(self, end: RequestEnd) -> Iterable[str]: ...


def log_for(function: Function) -> PlatformLog:
    return JsonLog(function) if function.log_config.json else TextLog(function)


class TextLog:
    def __init__(self, function: Function) -> None:
        self._runtime = _runtime(function)
        self._version = function.version
        self._memory_size = f"Memory Size: {function.memory_mb} MB\t"

    def init_started(self) -> Iterable[str]:
        return (f"INIT_START Runtime Version: {self._runtime}",)

    def init_ended(self, status: Status, duration_ms: float) -> Iterable[str]:
        if status is SUCCESS:
            return ()
        report = f"INIT_REPORT Init Duration: {duration_ms:.2f} ms\tPhase: init\t"
        return (report + _status_text(status),)

    def started(self, request_id: str) -> Iterable[str]:
        return (f"START RequestId: {request_id} Version: {self._version}",)

    def ended(self, end: RequestEnd) -> Iterable[str]:
        report = (
            f"REPORT RequestId: {end.request_id}\tDuration: {end.duration_ms:.2f} ms\t"
            f"Billed Duration: {end.billed_ms} ms\t{self._memory_size}"
            f"Max Memory Used: {end.memory_mb} MB\t"
        )
        if end.init_ms is not None:
            report += f"Init Duration: {end.init_ms:.2f} ms\t"
        if end.status is not SUCCESS:
            report += _status_text(end.status)
        return f"END RequestId: {end.request_id}", report


class JsonLog:
    """Events at or above the function's system log level.

    https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
    https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
    """

    def __init__(self, function: Function) -> None:
        self._function = function
        self._minimum_level = function.log_config.system_level

    def init_started(self) -> Iterable[str]:
        record = {
            "initializationType": "on-demand",
            "phase": "init",
            "runtimeVersion": _runtime(self._function),
            "functionName": self._function.name,
            "functionVersion": self._function.version,
        }
        return self._event("INFO", "initStart", record)

    def init_ended(self, status: Status, duration_ms: float) -> Iterable[str]:
        level = "DEBUG" if status is SUCCESS else "WARN"
        record = {"initializationType": "on-demand", "phase": "init", **_status_fields(status)}
        metrics = {"durationMs": round(duration_ms, 3)}
        yield from self._event(level, "initRuntimeDone", record)
        yield from self._event(level, "initReport", {**record, "metrics": metrics})

    def started(self, request_id: str) -> Iterable[str]:
        record = {
            "requestId": request_id,
            "functionArn": self._function.invoked_arn,
            "version": self._function.version,
        }
        return self._event("INFO", "start", record)

    def ended(self, end: RequestEnd) -> Iterable[str]:
        record = {"requestId": end.request_id, **_status_fields(end.status)}
        done = {"durationMs": round(end.duration_ms, 3), "producedBytes": end.produced_bytes}
        metrics = {
            "durationMs": round(end.duration_ms, 3),
            "billedDurationMs": end.billed_ms,
            "memorySizeMB": self._function.memory_mb,
            "maxMemoryUsedMB": end.memory_mb,
        }
        if end.init_ms is not None:
            metrics["initDurationMs"] = round(end.init_ms, 3)
        runtime_done, report = ("DEBUG", "INFO") if end.status is SUCCESS else ("WARN", "WARN")
        yield from self._event(runtime_done, "runtimeDone", {**record, "metrics": done})
        yield from self._event(report, "report", {**record, "metrics": metrics})

    def _event(self, level: str, kind: str, record: dict[str, Any]) -> Iterable[str]:
        if not at_least(level, self._minimum_level):
            return ()
        return (encode({"time": iso_milliseconds(), "type": f"platform.{kind}", "record": record}),)


def _runtime(function: Function) -> str:
    return function.runtime.replace("python", "python:").replace("nodejs", "nodejs:")


def _status_fields(status: Status) -> dict[str, str]:
    if not status.error_type:
        return {"status": status.name}
    return {"status": status.name, "errorType": status.error_type}


def _status_text(status: Status) -> str:
    error_type = f"\tError Type: {status.error_type}" if status.error_type else ""
    return f"Status: {status.name}{error_type}"
