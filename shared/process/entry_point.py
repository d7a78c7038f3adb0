from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from shared.process import logs, metrics, safety
from shared.process.error_tracking import tracker
from shared.singletons import singleton

R = TypeVar("R")


@singleton
def prepare() -> None:
    """What every process of the application does before its first work.

    Raises:
        SettingsError: the settings are not safe for production.
    """
    logs.install()
    safety.check()
    tracker()


def entry_point(handler: Callable[[dict[str, Any], Any], R]) -> Callable[[dict[str, Any], Any], R]:
    """Mark what Lambda calls: the process is made ready by its first request, and tells
    what was recorded at the end of each."""

    @wraps(handler)
    def prepared(event: dict[str, Any], context: Any) -> R:
        prepare()
        tracking = tracker()
        try:
            return handler(event, context)
        except Exception as error:
            if tracking is not None:
                tracking.capture(error)
            raise
        finally:
            metrics.flush()
            if tracking is not None:
                tracking.flush()

    return prepared
