"""`lampwork up --detach`: the same command in the background."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from lampwork.app.lock import LockOwner, announced

DETACH: Final = "--detach"
OUTPUT: Final = "detached.log"
POLL_SECONDS: Final = 0.05


def start_detached(arguments: Sequence[str], data: Path) -> None:
    """Start `lampwork` with these arguments in a session of its own, wait until it answers, and say
    where. What it prints goes to a file in the data folder. If it ends first, this process prints
    that and ends with its status."""
    output = data / OUTPUT
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "lampwork", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        owner = _until_up(process, data)
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    if owner is None:
        click.echo(output.read_text(errors="replace"), err=True, nl=False)
        sys.exit(process.returncode or 1)
    click.echo(f"Lampwork is up: {owner.origin}   (pid {owner.pid}, {output})")


def _until_up(process: "subprocess.Popen[bytes]", data: Path) -> LockOwner | None:
    """Wait until it answers; None if it ends first."""
    while process.poll() is None:
        # Without a look at the lock: that would hold it for a moment.
        owner = announced(data)
        if owner is not None and owner.pid == process.pid and owner.origin is not None:
            return owner
        time.sleep(POLL_SECONDS)
    return None
