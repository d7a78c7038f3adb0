import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path

from lampwork.errors import AlreadyRunning


@dataclass(frozen=True, slots=True)
class LockOwner:
    """The Lampwork process that holds a data folder; `origin` is None until it takes requests."""

    pid: int
    origin: str | None


class DataLock:
    """Lets only one process at a time use a data folder.

    The kernel holds the lock, so it is released even if the owner is killed. `up.json` beside it
    says who the owner is.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._path = data / "lock"
        self._file: TextIOWrapper | None = None

    def acquire(self) -> None:
        """
        Raises:
            AlreadyRunning: another process holds the folder.
        """
        self._file = self._locked()
        self.announce(None)

    def announce(self, origin: str | None) -> None:
        """Tell other processes at which address this one takes requests."""
        new = self._data / "up.json.new"
        new.write_text(json.dumps({"pid": os.getpid(), "origin": origin}))
        new.rename(self._data / "up.json")

    def release(self) -> None:
        if self._file is not None:
            (self._data / "up.json").unlink(missing_ok=True)
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def _locked(self) -> TextIOWrapper:
        while True:
            file = self._path.open("a")
            if not _try_lock(file):
                file.close()
                raise AlreadyRunning(_already_running(self._data))
            if _is_at(file, self._path):
                return file
            file.close()  # the previous owner removed the file between our open and our lock


def running_origin(data: Path) -> str | None:
    """The address of the Lampwork that uses this data folder; None if there is none."""
    owner = _lock_owner(data)
    return owner.origin if owner else None


def _lock_owner(data: Path) -> LockOwner | None:
    try:
        with (data / "lock").open("r") as file:
            if _try_lock(file):
                return None
    except FileNotFoundError:
        return None
    return _announced(data)


def _announced(data: Path) -> LockOwner | None:
    with contextlib.suppress(FileNotFoundError):
        said = json.loads((data / "up.json").read_text())
        return LockOwner(said["pid"], said["origin"])
    return None


def _try_lock(file: TextIOWrapper) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(file: TextIOWrapper, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _already_running(data: Path) -> str:
    owner = _announced(data)
    if owner is None:
        return f"Another Lampwork is just starting or stopping with {data}. Try again."
    where = f" at {owner.origin}" if owner.origin else ""
    return (
        f"Lampwork is already running{where} (pid {owner.pid}) with {data}."
        f" Stop it with `kill {owner.pid}`, or use another --data and --port."
    )
