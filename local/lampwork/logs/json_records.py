"""Turns JSON records of AWS's runtime client into the text it logs without `LogFormat: JSON`."""

import json
from collections.abc import Iterator
from typing import Any, Final

from lampwork.json_text import parsed
from lampwork.logs.tracebacks import TRACEBACK

RUNTIME_RECORD_START: Final = '{"timestamp": "'
# Lambda's own records; their time always has the same length.
PLATFORM_RECORD_START: Final = '{"time":"'
PLATFORM_TYPE: Final = '","type":"platform.'
PLATFORM_TYPE_AT: Final = len(PLATFORM_RECORD_START) + len("2026-01-01T00:00:00.000Z")
LOG_KEYS: Final = frozenset(("timestamp", "level", "message", "logger"))
ERROR_KEYS: Final = frozenset(("timestamp", "level", "errorType", "errorMessage", "stackTrace"))
# Keys that text does not append as key=value: it shows most of them elsewhere, and `tenantId` and
# `location` not at all.
NOT_EXTRA: Final = LOG_KEYS | ERROR_KEYS | {"requestId", "tenantId", "location"}


def is_platform_record(line: str) -> bool:
    return line.startswith(PLATFORM_RECORD_START) and line.startswith(
        PLATFORM_TYPE, PLATFORM_TYPE_AT
    )


def as_text(line: str) -> str:
    """A line of a function's log for people to read: a record as text, any other line unchanged.

    As in a text log, the lines of a traceback are joined by `\\r`.
    """
    if not line.startswith(RUNTIME_RECORD_START):
        return line
    try:
        record = parsed(line)
    except ValueError:  # the line may be cut off
        return line
    if not isinstance(record.get("stackTrace", []), list):  # not written by AWS's client
        return line
    if record.keys() >= LOG_KEYS:
        return "\r".join(_log_lines(record))
    if record.keys() >= ERROR_KEYS:
        return "\r".join(_error_lines(record))
    return line


def _log_lines(record: dict[str, Any]) -> Iterator[str]:
    extra = [
        f"{name}={_formatted(value)}" for name, value in record.items() if name not in NOT_EXTRA
    ]
    text = " ".join([_formatted(record["message"], quoted=False), *extra])
    yield f"[{record['level']}]\t{record['timestamp']}\t{record.get('requestId', '')}\t{text}"
    if trace := record.get("stackTrace"):
        yield from _traceback_lines(trace)
        yield f"{record.get('errorType')}: {record.get('errorMessage')}"


def _error_lines(record: dict[str, Any]) -> Iterator[str]:
    yield f"[{record['level']}] {record['errorType']}: {record['errorMessage']}"
    yield from _traceback_lines(record["stackTrace"])


def _traceback_lines(frames: list[str]) -> Iterator[str]:
    yield TRACEBACK
    for frame in frames:
        yield from str(frame).splitlines()


def _formatted(value: Any, *, quoted: bool = True) -> str:
    if isinstance(value, str) and not (quoted and (not value or set(value) & set(' \t\r\n="'))):
        return value
    return json.dumps(value, ensure_ascii=False)
