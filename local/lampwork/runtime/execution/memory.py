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


def peak_memory(pid: int) -> int:
    """The most bytes that the process has held so far, counted as an environment's are; 0 if it has
    ended. What it maps of files is known for now alone: it had mapped no more of them before."""
    sizes = _sizes(pid)
    own = sum(size for name, size in sizes.items() if name in NOT_OF_FILES)
    return max(own, sizes.get(b"VmHWM:", 0) - sizes.get(b"RssFile:", 0))


def _own_memory(pid: int) -> int:
    """Bytes a process holds besides what it maps of files, which the kernel can read again.

    What it shares with the one from which it was forked counts in full, as it would in a process
    that had loaded the same itself. 0 if it has ended.
    https://man7.org/linux/man-pages/man5/proc_pid_status.5.html
    """
    return sum(size for name, size in _sizes(pid).items() if name in NOT_OF_FILES)


def _sizes(pid: int) -> dict[bytes, int]:
    """The bytes that /proc names in kB, by their names there."""
    lines = (line.split() for line in _read(f"/proc/{pid}/status").splitlines())
    return {parts[0]: int(parts[1]) * 1024 for parts in lines if parts[2:] == [b"kB"]}


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""
