"""The text of a point in time in the events, logs and records of AWS."""

import time
from datetime import UTC, datetime


def iso_milliseconds(seconds: float | None = None) -> str:
    """2026-03-01T12:00:00.123Z: of these seconds since 1970, or of now."""
    moment = datetime.fromtimestamp(time.time() if seconds is None else seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def iso_seconds(moment: datetime) -> str:
    """2026-03-01T12:00:00Z, of a moment in UTC."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
