import os
from typing import Final

RUNNING_STATE: Final = b"R"


def wants_cpu(pid: int) -> bool:
    """Whether a thread of the process is running or waiting for a core. False if it has ended.

    https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    """
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        return any(_state(f"/proc/{pid}/task/{thread}/stat") == RUNNING_STATE for thread in threads)
    except (FileNotFoundError, ProcessLookupError):
        return False


def _state(file: str) -> bytes:
    with open(file, "rb") as stat:
        # The state follows the program's name in brackets, which may contain any character.
        return stat.read().rpartition(b")")[2].split()[0]
