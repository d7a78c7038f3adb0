import math
import os
import time

MEBIBYTE = 1024 * 1024
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
# Reading a process's memory costs as much as a short request, so short requests share a reading.
MAX_AGE_SECONDS = 1


class MemoryPeak:
    """The most private memory, in bytes, that an environment's processes were seen to hold."""

    def __init__(self) -> None:
        self.bytes = 0
        self._read_at = 0.0

    @property
    def megabytes(self) -> int:
        return math.ceil(self.bytes / MEBIBYTE)

    def read(self, pid: int) -> None:
        """Read the memory of this process now."""
        self.bytes = max(self.bytes, _private_memory(pid))
        self._read_at = time.monotonic()

    def refresh(self, pid: int) -> None:
        """Read it unless that was done within the last second."""
        if time.monotonic() - self._read_at > MAX_AGE_SECONDS:
            self.read(pid)


def resident_memory(pid: int) -> int:
    """Bytes a process holds, shared ones included; cheap to read. 0 if it has ended."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE_BYTES if fields else 0


def _private_memory(pid: int) -> int:
    """Bytes only this process holds, without those it shares with the one it was forked from.

    0 if it has ended.
    """
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(b"Private_"))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""
