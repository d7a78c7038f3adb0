"""Whether this machine can show functions Lambda's paths."""

import asyncio
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from typing import Final

from lampwork.runtime.world import mounts


@dataclass(frozen=True, slots=True)
class Trial:
    """A process that tries the mounts, with an empty folder to spare."""

    process: subprocess.Popen[str]
    spare: tempfile.TemporaryDirectory[str]


_BEGUN: Final[dict[str, Trial]] = {}


def begin(python: str = sys.executable) -> None:
    """Begin the trial whose end `why_not` awaits, beside what this process does meanwhile."""
    spare = tempfile.TemporaryDirectory(prefix="lampwork-")
    process = subprocess.Popen(
        [python, "-I", "-S", mounts.__file__, spare.name],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    _BEGUN[python] = Trial(process, spare)


async def why_not(python: str) -> str | None:
    """Why this machine cannot show functions Lambda's paths; None if it can.

    The rights are not enough to know it: security modules and containers refuse some of the calls.
    """
    if python not in _BEGUN:
        begin(python)
    trial = _BEGUN.pop(python)
    with trial.spare:
        _, said = await asyncio.to_thread(trial.process.communicate)
    return said.strip().rpartition("\n")[2] if trial.process.returncode else None
