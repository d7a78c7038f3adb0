from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from shared import logs, safety
from shared.error_tracking import tracker
from shared.once import once

R = TypeVar("R")


@once
def prepare() -> None:
    """What every process of the application does before its first work.

    Raises:
        SettingsError: the settings are not safe for production.
    """
    logs.install()
    safety.check()
    tracker()


def entry(handler: Callable[[dict[str, Any], Any], R]) -> Callable[[dict[str, Any], Any], R]:
    """Mark what Lambda calls: the process is made ready by its first request."""

    @wraps(handler)
    def prepared(event: dict[str, Any], context: Any) -> R:
        prepare()
        tracking = tracker()
        if tracking is None:
            return handler(event, context)
        try:
            return handler(event, context)
        except Exception as error:
            tracking.capture(error)
            raise
        finally:
            tracking.flush()

    return prepared
