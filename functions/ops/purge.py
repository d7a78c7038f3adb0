"""Erases accounts whose time is over: each day, or now by `lampwork invoke OpsPurge`."""

from typing import Any

from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.services.purging import purge


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Give how many accounts were erased."""
    return {"erased": run(purge())}
