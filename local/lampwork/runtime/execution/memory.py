import math
import os
import time

MEBIBYTE = 1024 * 1024
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
NOT_OF_FILES = (b"RssAnon:", b"RssShmem:")
# Reading a process's memory costs as much as a short request, so short requests share a reading.
MAX_AGE_SECONDS = 1


class MemoryPeak:
    """The most memory, in bytes, that an environment's process was seen to hold."""

    def __init__(self) -> None:
        self.bytes = 0
        self._read_at = 0.0

    @property
    def megabytes(self) -> int:
        return math.ceil(self.bytes / MEBIBYTE)

    def read(self, pid: int) -> None:
        """Read the memory of this process now."""
        self.bytes = max(self.bytes, _own_memory(pid))
        self._read_at = time.monotonic()

    def refresh(self, pid: int) -> None:
        """Read it unless that was done within the last second."""
        if time.monotonic() - self._read_at > MAX_AGE_SECONDS:
            self.read(pid)


def resident_memory(pid: int) -> int:
    """Bytes a process holds, shared ones included; cheap to read. 0 if it has ended."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE_BYTES if fields else 0


def _own_memory(pid: int) -> int:
    """Bytes a process holds besides what it maps of files, which the kernel can read again.

    What it shares with the one from which it was forked counts in full, as it would in a process
    that had loaded the same itself. 0 if it has ended.
    https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
    """
    lines = _read(f"/proc/{pid}/status").splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(NOT_OF_FILES))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""
