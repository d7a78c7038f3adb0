import time
from collections.abc import Callable

TIMEOUT_SECONDS = 60


def until(holds: Callable[[], bool]) -> None:
    """Wait until it holds; fails if it does not within a minute."""
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it has not come to hold"
        time.sleep(0.02)
