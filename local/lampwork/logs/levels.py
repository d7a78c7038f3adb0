"""The log levels by which Lambda filters the lines of a function with `LogFormat: JSON`.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
"""

from datetime import datetime
from typing import Any, Final

from lampwork.json_text import parsed

APPLICATION_LEVELS: Final = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
SYSTEM_LEVELS: Final = ("DEBUG", "INFO", "WARN")
DEFAULT_LEVEL: Final = "INFO"
SEVERITY: Final = {level: rank for rank, level in enumerate(APPLICATION_LEVELS)}
# Python's names for Lambda's levels, where they differ.
PYTHON_LEVELS: Final = {"WARNING": "WARN", "CRITICAL": "FATAL"}


def at_least(level: str, least: str) -> bool:
    return SEVERITY[level] >= SEVERITY[least]


def level_of(line: str) -> str:
    """The level of a line that a function printed: INFO unless it is JSON with level and time."""
    if not line.startswith("{"):
        return DEFAULT_LEVEL
    try:
        record = parsed(line)
    except ValueError:
        return DEFAULT_LEVEL
    level = str(record.get("level", "")).upper()
    level = PYTHON_LEVELS.get(level, level)
    return level if level in SEVERITY and _is_time(record.get("timestamp")) else DEFAULT_LEVEL


def _is_time(value: Any) -> bool:
    try:
        return datetime.fromisoformat(value).tzinfo is not None
    except (TypeError, ValueError):
        return False
