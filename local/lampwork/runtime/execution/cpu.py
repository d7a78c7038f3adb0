import os
from typing import Final

RUNNING: Final = b"R"


def wants_cpu(pid: int) -> bool:
    """Whether some thread of a process runs, or would if a core were free. False if it has ended.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        return any(_state(f"/proc/{pid}/task/{thread}/stat") == RUNNING for thread in threads)
    except (FileNotFoundError, ProcessLookupError):
        return False


def _state(file: str) -> bytes:
    with open(file, "rb") as stat:
        # After the name in brackets, which may hold anything.
        return stat.read().rpartition(b")")[2].split()[0]
