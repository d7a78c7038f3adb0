import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any, Final

import click

from lampwork.app.lock import LockOwner, lock_owner
from lampwork.commands.options import config_of, project_options
from lampwork.errors import StartError

POLL_SECONDS: Final = 0.05


@click.command()
@project_options
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=30,
    show_default=True,
    help="The seconds that it may take.",
)
def down(*, timeout: float, **overrides: Any) -> None:
    """Stop the Lampwork of this project, as Ctrl-C does, and wait for its end.

    Exit codes: 0, none runs any more; 1, it did not end in time.
    """
    data = config_of(overrides).data
    owner = lock_owner(data)
    if owner is None:
        click.echo(f"Lampwork does not run with {data}.")
        return
    # The owner of the lock lives, so its pid is no other program's.
    with contextlib.suppress(ProcessLookupError):
        os.kill(owner.pid, signal.SIGTERM)
    if not _ended(owner, data, time.monotonic() + timeout):
        raise StartError(
            f"Lampwork (pid {owner.pid}) has not ended within {timeout:g} s."
            f" Try again, or `kill -9 {owner.pid}`."
        )
    click.echo(f"Stopped Lampwork (pid {owner.pid}).")


def _ended(owner: LockOwner, data: Path, deadline: float) -> bool:
    while (present := lock_owner(data)) is not None and present.pid == owner.pid:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True
