"""Starts the program `fork_server`, if need be before anybody knows which functions it is for."""

import os
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from lampwork.errors import StartError
from lampwork.interpreters.python import Python, own_python
from lampwork.runtime.launching.launcher import BOOTSTRAP
from lampwork.runtime.launching.start_variables import usual_variables
from lampwork.runtime.world import mounts


@dataclass(frozen=True, slots=True)
class Program:
    """A fork server that waits for its options, and the socket that commands it."""

    process: "subprocess.Popen[bytes]"
    control: socket.socket

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


Start = tuple[Python, frozenset[tuple[str, str]]]
_BEGUN: Final[dict[Start, Program]] = {}


def begin() -> Program:
    """Start the one that most functions need, beside what this process does meanwhile.

    `started` returns it. `discard` ends it if nothing has asked for it.
    """
    python = own_python()
    environment = usual_variables(python.path, mounts.TASK, [mounts.OPT])
    program = _begin(python, environment)
    _BEGUN[_start(python, environment)] = program
    return program


def started(python: Python, environment: Mapping[str, str]) -> Program:
    """One that has these variables: the one that has begun, if that is right, or a new one.

    Raises:
        StartError: this Python cannot be started.
    """
    begun = _BEGUN.pop(_start(python, environment), None)
    return begun or _begin(python, environment)


def discard() -> None:
    """End what has begun for nothing."""
    while _BEGUN:
        _, program = _BEGUN.popitem()
        program.control.close()
        program.kill()


def _start(python: Python, environment: Mapping[str, str]) -> Start:
    return python, frozenset(environment.items())


def _begin(python: Python, environment: Mapping[str, str]) -> Program:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    arguments = [str(os.getpid()), str(theirs.fileno()), "fork-server"]
    with theirs:
        try:
            process = subprocess.Popen(
                [*python.command(BOOTSTRAP), *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise StartError(f"Cannot start {python.path}: {error.strerror}.") from error
    return Program(process, ours)
