"""Whether this machine can show functions Lambda's paths."""

import asyncio
import os
import subprocess
import tempfile
from dataclasses import dataclass
from typing import Final, NoReturn

from lampwork.runtime.world import mounts

CAN: Final = "can"
ENDED_EARLY: Final = "a trial of it ended early"


@dataclass(frozen=True, slots=True)
class Trial:
    """A forked process that tries the mounts in an empty folder, and writes `CAN` or why not."""

    pid: int
    output: int
    spare: tempfile.TemporaryDirectory[str]

    def why_not(self) -> str | None:
        with self.spare, os.fdopen(self.output) as output:
            said = output.read()
            os.waitpid(self.pid, 0)
        return None if said == CAN else said or ENDED_EARLY


_BEGUN: Final[list[Trial]] = []


def begin() -> None:
    """Begin the trial whose end `why_not` awaits, beside what this process does meanwhile.

    It is forked, since a new Python takes 50 ms to start, so this process must have one thread.
    """
    spare = tempfile.TemporaryDirectory(prefix="lampwork-")
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _try_out(spare.name, writer)
    os.close(writer)
    _BEGUN.append(Trial(pid, reader, spare))


async def why_not(python: str) -> str | None:
    """Why this machine cannot show functions Lambda's paths; None if it can.

    The rights are not enough to know it: security modules and containers refuse some of the calls.
    """
    if _BEGUN:
        return await asyncio.to_thread(_BEGUN.pop().why_not)
    return await asyncio.to_thread(_try_out_in, python)


def _try_out(spare: str, output: int) -> NoReturn:
    try:
        mounts.try_out(spare)
        os.write(output, CAN.encode())
    except OSError as problem:
        os.write(output, str(problem).encode())
    finally:
        os._exit(0)


def _try_out_in(python: str) -> str | None:
    with tempfile.TemporaryDirectory(prefix="lampwork-") as spare:
        trial = subprocess.run(
            [python, "-I", "-S", mounts.__file__, spare],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    return trial.stderr.strip().rpartition("\n")[2] if trial.returncode else None
