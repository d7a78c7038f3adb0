"""Points in time, written as AWS does in events, logs and records."""

import time
from datetime import UTC, datetime


def iso_milliseconds(seconds: float | None = None) -> str:
    """Such as 2026-03-01T12:00:00.123Z, for seconds since 1970; by default, for now."""
    moment = datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_seconds(moment: datetime) -> str:
    """Such as 2026-03-01T12:00:00Z, for a moment in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
