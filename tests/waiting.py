import time
from collections.abc import Callable

TIMEOUT_SECONDS = 60


def until(holds: Callable[[], bool]) -> None:
    """Wait until the condition holds; fails if it does not within a minute."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        time.sleep(0.02)
