import os

MEBIBYTE = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")


def private_memory(pid: int) -> int:
    """Bytes a process holds alone, without what it shares with the process it was forked from.

    0 if it has ended.
    """
    lines = _read(f"/proc/{pid}/smaps_rollup").splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(b"Private_"))


def resident_memory(pid: int) -> int:
    """Bytes a process holds, shared or not: cheap to read. 0 if it has ended."""
    fields = _read(f"/proc/{pid}/statm").split()
    return int(fields[1]) * PAGE if fields else 0


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return b""
