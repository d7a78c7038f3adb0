import contextlib
import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from io import TextIOWrapper
from pathlib import Path

from lampwork.errors import AlreadyRunning


@dataclass(frozen=True, slots=True)
class LockOwner:
    """The Lampwork process that holds a data folder; `origin` is None until it takes requests.

    `template` is what it serves, `services` are the addresses of its services by their placeholder:
    aws_url, redis_url.
    """

    pid: int
    origin: str | None
    template: str = ""
    services: Mapping[str, str] = field(default_factory=dict)


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
        self.announce(LockOwner(os.getpid(), None))

    def announce(self, owner: LockOwner) -> None:
        """Tell other processes what this one serves, and at which address."""
        new = self._data / "up.json.new"
        new.write_text(json.dumps(asdict(owner)))
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
    owner = lock_owner(data)
    return owner.origin if owner else None


def lock_owner(data: Path) -> LockOwner | None:
    """The Lampwork that uses this data folder; None if there is none."""
    try:
        with (data / "lock").open("r") as file:
            if _try_lock(file):
                return None
    except FileNotFoundError:
        return None
    return announced(data)


def announced(data: Path) -> LockOwner | None:
    """What the owner of a data folder has told last; a killed one is still there."""
    with contextlib.suppress(FileNotFoundError):
        return LockOwner(**json.loads((data / "up.json").read_text()))
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
    owner = announced(data)
    if owner is None:
        return f"Another Lampwork is just starting or stopping with {data}. Try again."
    where = f" at {owner.origin}" if owner.origin else ""
    return (
        f"Lampwork is already running{where} (pid {owner.pid}) with {data}."
        f" Stop it with `kill {owner.pid}`, or use another --data and --port."
    )
