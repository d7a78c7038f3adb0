import os
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, TextIO

LOG_NAME: Final = "lampwork.log"
MAX_BYTES: Final = 10 * 1024 * 1024
POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the log. `time` is its date and time on this machine, `request_id` is "" outside
    requests."""

    time: str
    source: str
    request_id: str
    text: str


class LogFile:
    """The log as a file with one entry a line. At 10 MB, `lampwork.log` becomes `lampwork.log.1`.

    `on_failure` is called when the file cannot be written, for example because the disk is full,
    and not again before it could be written once more. Entries are lost in between, because no
    request may fail on account of its log.
    """

    def __init__(self, folder: Path, on_failure: Callable[[OSError], None]) -> None:
        self._path = folder / LOG_NAME
        self._file = self._open()
        self._on_failure = on_failure
        self._failing = False

    def write(self, source: str, request_id: str, text: str) -> None:
        # A function may print anything: no line of it may look like an entry.
        text = text.replace("\r\n", "\r").replace("\n", "\r")
        try:
            self._file.write(
                f"{_date_and_time(int(time.time()))}\t{source}\t{request_id}\t{text}\n"
            )
        except OSError as error:
            self._report_failure(error)

    def flush(self) -> None:
        """Make entries visible to readers, and begin a new file if this one is too large."""
        try:
            self._file.flush()
            if self._file.tell() > MAX_BYTES:
                os.replace(self._path, self._path.with_name(f"{LOG_NAME}.1"))
                previous, self._file = self._file, self._open()
                previous.close()
        except OSError as error:
            self._report_failure(error)
        else:
            self._failing = False

    def close(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            self._report_failure(error)

    def _report_failure(self, error: OSError) -> None:
        if not self._failing:
            self._failing = True
            self._on_failure(error)

    def _open(self) -> TextIO:
        return self._path.open("a", encoding="utf-8", errors="backslashreplace")


def clock() -> str:
    """The time of day as entries show it, HH:MM:SS."""
    return _clock(int(time.time()))


@lru_cache(maxsize=1)
def _clock(second: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(second))


@lru_cache(maxsize=1)
def _date_and_time(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(second))


def read_entries(folder: Path, sources: Collection[str], *, follow: bool) -> Iterator[Entry]:
    """The entries of these sources, or of all if none is named.

    With `follow`, it also yields new entries as they come and never ends.
    """
    previous, path = folder / f"{LOG_NAME}.1", folder / LOG_NAME
    if previous.exists():
        with _open_to_read(previous) as file:
            yield from _entries(file, sources)
    while path.exists():
        with _open_to_read(path) as file:
            yield from _entries(file, sources)
            replaced = False
            while follow and not replaced:
                time.sleep(POLL_SECONDS)
                replaced = _was_replaced(file, path)
                yield from _entries(file, sources)
        if not follow:
            return


def _open_to_read(path: Path) -> TextIO:
    # Only "\n" ends an entry; "\r" stands for a line break within one.
    return path.open(encoding="utf-8", errors="replace", newline="\n")


def _entries(file: TextIO, sources: Collection[str]) -> Iterator[Entry]:
    while line := file.readline():
        if not line.endswith("\n"):  # the rest is still being written
            file.seek(file.tell() - len(line.encode()))
            return
        parts = line.rstrip("\n").split("\t", 3)
        if len(parts) == 4 and (not sources or parts[1] in sources):
            yield Entry(*parts)


def _was_replaced(file: TextIO, path: Path) -> bool:
    try:
        return not os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False
