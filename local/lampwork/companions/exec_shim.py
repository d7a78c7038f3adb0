"""Becomes a program that dies with its parent.

`python exec_shim.py PARENT_PID IGNORED NICE PROGRAM …`: IGNORED is the number of a signal that the
program ignores unless it takes notice itself, 0 for none. NICE is how far it gives way to others.

The shim is run by its path, so that it imports only what it needs itself. The death signal
survives exec, so it is set here: in the child of a threaded parent, no Python code is safe between
fork and exec.
"""

import ctypes
import os
import signal
import sys

AUTOGROUP = "/proc/self/autogroup"  # https://man7.org/linux/man-pages/man7/sched.7.html
PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html


def main(parent: int, ignored: int, nice: int, program: list[str]) -> None:
    if ignored:
        signal.signal(ignored, signal.SIG_IGN)
    if nice:
        give_way(nice)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        return
    try:
        os.execvp(program[0], program)  # noqa: S606
    except OSError as error:
        sys.exit(f"Cannot run {program[0]}: {error.strerror}.")


def give_way(nice: int) -> None:
    """Where the kernel groups processes by their session, it minds nice values within a group
    alone, and this program leads a session: its group needs the value too."""
    os.nice(nice)
    try:
        with open(AUTOGROUP, "w") as group:
            group.write(str(nice))
    except OSError:
        return  # this kernel has no such groups


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
