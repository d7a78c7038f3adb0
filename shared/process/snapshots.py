"""What SnapStart needs: one snapshot becomes many environments, hours later.

https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html
"""

import os
import random
from collections.abc import Callable

from shared.process.event_loop import run
from shared.singletons import forget_singletons, make_anew

KIND = "AWS_LAMBDA_INITIALIZATION_TYPE"


def register_hooks(prepare: Callable[[], None]) -> None:
    """Prepare the process before a snapshot is taken of it, and let nothing that belongs to one
    environment alone get into two. Where no snapshot is taken this does nothing."""
    if os.environ.get(KIND) != "snap-start":
        return
    import snapshot_restore_py  # the runtime brings it

    snapshot_restore_py.register_before_snapshot(leave_nothing_open, prepare)
    snapshot_restore_py.register_after_restore(start_as_new)


def leave_nothing_open(prepare: Callable[[], None]) -> None:
    """Load what the first request would load, and close what it has opened."""
    prepare()
    run(make_anew())


def start_as_new() -> None:
    """Read settings and secrets again, which may have changed since, and draw other random
    numbers than the other environments. `secrets` and `uuid` ask the system, which knows."""
    forget_singletons()
    random.seed()
