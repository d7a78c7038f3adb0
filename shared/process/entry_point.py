import gc
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from shared import settings
from shared.process import logs, metrics, safety, snapshots
from shared.process.error_tracking import tracker
from shared.process.event_loop import run
from shared.singletons import make_anew, singleton

R = TypeVar("R")


@singleton
def prepare() -> None:
    """Prepare the process; every process of the application does this first.

    Raises:
        SettingsError: the settings are not safe for production.
    """
    _collect_garbage()
    logs.install()
    if settings.app().environment is settings.Environment.DEVELOPMENT:
        logging.getLogger("mangum.http").setLevel(logging.WARNING)  # the emulator tells of each too
    safety.check()
    tracker()


def _collect_garbage() -> None:
    """Collect from now on, but not what was imported before (functions/__init__.py)."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


snapshots.register_hooks(prepare)


def take_new_secrets() -> None:
    """Read the secret again if its time has come; what was made of an old one is made anew."""
    store = settings.secret_store()
    if store is not None and store.has_changed():
        run(make_anew())


def entry_point(handler: Callable[[dict[str, Any], Any], R]) -> Callable[[dict[str, Any], Any], R]:
    """Mark what Lambda calls: the first request prepares the process, and each ends with a flush of
    metrics and errors."""

    @wraps(handler)
    def prepared(event: dict[str, Any], context: Any) -> R:
        take_new_secrets()
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
