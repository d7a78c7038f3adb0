"""The JSON records of AWS's runtime client, as the text it logs where JSON is not asked for."""

import json
from collections.abc import Iterator
from typing import Any, Final

from lampwork.logs.tracebacks import TRACEBACK

BEGINNING: Final = '{"timestamp": "'
# Lambda's own records, whose time is as long as this one.
PLATFORM: Final = '{"time":"'
PLATFORM_TYPE: Final = '","type":"platform.'
PLATFORM_TYPE_AT: Final = len(PLATFORM) + len("2026-01-01T00:00:00.000Z")
LOGGED: Final = frozenset(("timestamp", "level", "message", "logger"))
FAILED: Final = frozenset(("timestamp", "level", "errorType", "errorMessage", "stackTrace"))
# What text has in no place of its own either.
UNTOLD: Final = LOGGED | FAILED | {"requestId", "tenantId", "location"}


def is_platform_record(line: str) -> bool:
    return line.startswith(PLATFORM) and line.startswith(PLATFORM_TYPE, PLATFORM_TYPE_AT)


def as_text(line: str) -> str:
    """A line of a function's log for people to read: records as text, others as they stand.

    As in a log of text, the lines of a traceback are joined by `\\r`.
    """
    if not line.startswith(BEGINNING):
        return line
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):  # cut off, perhaps
        return line
    if not isinstance(record.get("stackTrace", []), list):  # of another's making
        return line
    if record.keys() >= LOGGED:
        return "\r".join(_logged(record))
    if record.keys() >= FAILED:
        return "\r".join(_failed(record))
    return line


def _logged(record: dict[str, Any]) -> Iterator[str]:
    extra = [f"{name}={_shown(value)}" for name, value in record.items() if name not in UNTOLD]
    text = " ".join([_shown(record["message"], quoted=False), *extra])
    yield f"[{record['level']}]\t{record['timestamp']}\t{record.get('requestId', '')}\t{text}"
    if trace := record.get("stackTrace"):
        yield from _traceback(trace)
        yield f"{record.get('errorType')}: {record.get('errorMessage')}"


def _failed(record: dict[str, Any]) -> Iterator[str]:
    yield f"[{record['level']}] {record['errorType']}: {record['errorMessage']}"
    yield from _traceback(record["stackTrace"])


def _traceback(frames: list[str]) -> Iterator[str]:
    yield TRACEBACK
    for frame in frames:
        yield from str(frame).splitlines()


def _shown(value: Any, *, quoted: bool = True) -> str:
    if isinstance(value, str) and not (quoted and (not value or set(value) & set(' \t\r\n="'))):
        return value
    return json.dumps(value, ensure_ascii=False)
