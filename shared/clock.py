from datetime import UTC, datetime


def now() -> datetime:
    """The clock that decides when tokens and sessions expire. For leases, the database's clock
    does."""
    return datetime.now(UTC)


def iso(instant: datetime) -> str:
    """An instant as every answer and frame shows it: ISO 8601 in UTC, with milliseconds and Z."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
