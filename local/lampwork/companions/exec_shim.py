"""Becomes a program that dies with its parent: `python exec_shim.py PARENT_PID IGNORED PROGRAM …`.

IGNORED is the number of a signal that the program ignores unless it takes notice itself, 0 for
none. The shim is run by its path, so that it imports only what it needs itself. The death signal
survives exec, so it is set here: in the child of a threaded parent, no Python code is safe between
fork and exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html


def main(parent: int, ignored: int, program: list[str]) -> None:
    if ignored:
        signal.signal(ignored, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return
    try:
        os.execvp(program[0], program)  # noqa: S606
    except OSError as error:
        sys.exit(f"Cannot run {program[0]}: {error.strerror}.")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
