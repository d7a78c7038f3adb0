from datetime import UTC, datetime


def now() -> datetime:
    """The clock that tokens and sessions expire by. Leases go by the database's own."""
    return datetime.now(UTC)
