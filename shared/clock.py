from datetime import UTC, datetime


def now() -> datetime:
    """The clock that tokens and sessions expire by. Leases go by the database's own."""
    return datetime.now(UTC)


def iso(instant: datetime) -> str:
    """An instant as every answer and frame writes it: ISO 8601, UTC, milliseconds, Z."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
