import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, TextIO

NAME: Final = "lampwork.log"
MAX_BYTES: Final = 10 * 1024 * 1024
GLANCE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log, as `lampwork logs` shows it. `request_id` is "" outside of requests."""

    time: str
    source: str
    request_id: str
    text: str


class LogFile:
    """What was logged, one entry a line. At 10 MB `lampwork.log` becomes `lampwork.log.1`.

    `on_failure` is told when it cannot be written, on a full disk for example, and not again until
    it could be. What is written meanwhile is lost: no request may fail for want of its log.
    """

    def __init__(self, folder: Path, on_failure: Callable[[OSError], None]) -> None:
        self._path = folder / NAME
        self._file = self._open()
        self._on_failure = on_failure
        self._failing = False

    def write(self, source: str, request_id: str, text: str) -> None:
        # What a function prints may be anything, so a line of its own must not look like an entry.
        text = text.replace("\r\n", "\r").replace("\n", "\r")
        try:
            self._file.write(f"{clock()}\t{source}\t{request_id}\t{text}\n")
        except OSError as error:
            self._fail(error)

    def flush(self) -> None:
        """Make what was written visible to readers, and begin anew where it has become too much."""
        try:
            self._file.flush()
            if self._file.tell() > MAX_BYTES:
                os.replace(self._path, self._path.with_name(f"{NAME}.1"))
                former, self._file = self._file, self._open()
                former.close()
        except OSError as error:
            self._fail(error)
        else:
            self._failing = False

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            self._on_failure(error)

    def _open(self) -> TextIO:
        return self._path.open("a", encoding="utf-8", errors="backslashreplace")


def clock() -> str:
    """The time of day, as entries have it."""
    return _clock(int(time.time()))


@lru_cache(maxsize=1)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


def read(folder: Path, sources: Collection[str], *, follow: bool) -> Iterator[Entry]:
    """The entries of these sources, or of all; with `follow` also each that comes, without end."""
    former, path = folder / f"{NAME}.1", folder / NAME
    if former.exists():
        with _open_to_read(former) as file:
            yield from _entries(file, sources)
    while path.exists():
        with _open_to_read(path) as file:
            yield from _entries(file, sources)
            replaced = False
            while follow and not replaced:
                time.sleep(GLANCE_SECONDS)
                replaced = _is_another(file, path)
                yield from _entries(file, sources)
        if not follow:
            return


def _open_to_read(path: Path) -> TextIO:
    # Only "\n" ends an entry: "\r" stands for the line breaks within one.
    return path.open(encoding="utf-8", errors="replace", newline="\n")


def _entries(file: TextIO, sources: Collection[str]) -> Iterator[Entry]:
    while line := file.readline():
        if not line.endswith("\n"):  # the rest is being written
            file.seek(file.tell() - len(line.encode()))
            return
        parts = line.rstrip("\n").split("\t", 3)
        if len(parts) == 4 and (not sources or parts[1] in sources):
            yield Entry(*parts)


def _is_another(file: TextIO, path: Path) -> bool:
    try:
        return not os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
