"""The file in which the history is kept."""

import contextlib
import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from lampwork.errors import LampworkError
from lampwork.history.entries import FAILED, PARTIAL, THROTTLED, TIMEOUT, Entry

FILE: Final = "history.db"
COLUMNS: Final = tuple(each.name for each in fields(Entry))
QUOTED: Final = ", ".join(f'"{name}"' for name in COLUMNS)
IN_JSON: Final = ("links", "stack", "masked")
TEXTS: Final = ("event", "answer", "log")
# What an entry takes besides its texts.
ENTRY_BYTES: Final = 500
MOST_LISTED: Final = 200
MOST_IN_TRACE: Final = 500

SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS entries ({QUOTED}, size, PRIMARY KEY (id)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS entries_trace ON entries (trace);
"""
WRITE: Final = f"""
INSERT OR REPLACE INTO entries ({QUOTED}, size)
VALUES ({", ".join("?" * (len(COLUMNS) + 1))})
"""  # noqa: S608 - the names of columns
VERSION: Final = 1

ANY_FAILURE: Final = "failing"  # each status that is not ok, as a wish of a reader


class HistoryUnavailable(LampworkError):
    """The file of the history can be neither read nor written now."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries a reader wants: the newest `limit` that were noted before the one with the
    number `before` and after that with the number `after`.

    `status` may also be "failing", for all that is not ok. `search` is looked for in names, ids,
    errors, events, answers and logs, in any case.
    """

    function: str | None = None
    status: str | None = None
    trigger: str | None = None
    trace: str | None = None
    request_id: str | None = None
    search: str | None = None
    before: int | None = None
    after: int | None = None
    limit: int = 50


class Store:
    """Keeps entries in one SQLite file: the newest `most` of them, and `most_bytes` of texts.

    A history that cannot be read is begun anew: it is only a help. Several threads may use it.
    Its methods raise HistoryUnavailable if the file fails them, as on a full disk.
    """

    def __init__(self, folder: Path, *, most: int, most_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / FILE
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        try:
            self._connection = self._opened()
        except sqlite3.OperationalError as error:  # it is in use, or nobody may write here
            raise HistoryUnavailable(f"{self._path}: {error}") from error
        except sqlite3.DatabaseError:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._path}{suffix}").unlink(missing_ok=True)
            self._connection = self._opened()
        self._bytes = self._value("SELECT COALESCE(SUM(size), 0) FROM entries")

    @property
    def last(self) -> int:
        """The number of the newest entry; 0 if there is none."""
        return self._value("SELECT COALESCE(MAX(id), 0) FROM entries")

    def write(self, entries: Iterable[Entry]) -> None:
        """Keep these too, and forget the oldest ones if there are too many."""
        rows = [_row(each) for each in entries]
        with self._using(), self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(WRITE, rows)
            self._bytes += sum(row[-1] for row in rows)
            self._forget()

    def newest(self, wanted: Wanted) -> list[Entry]:
        """Newest first, without their texts."""
        where, values = _where(wanted)
        limit = min(max(wanted.limit, 1), MOST_LISTED)
        return self._read(f"{where} ORDER BY id DESC LIMIT {limit}", values, without_texts=True)

    def one(self, number: int) -> Entry | None:
        found = self._read("WHERE id = ?", [number])
        return found[0] if found else None

    def trace(self, trace: str) -> list[Entry]:
        """All that belongs to a trace, oldest first, without their texts."""
        values = [trace, f'%"{_escaped(trace)}"%']
        where = (
            f"WHERE trace = ? OR links LIKE ? ESCAPE '\\' ORDER BY started LIMIT {MOST_IN_TRACE}"
        )
        return self._read(where, values, without_texts=True)

    def functions(self) -> list[str]:
        """The functions that entries are of."""
        with self._using():
            names = self._connection.execute(
                "SELECT DISTINCT function FROM entries WHERE function != '' ORDER BY function"
            )
            return [name for (name,) in names]

    def forget_all(self) -> None:
        with self._using(), self._connection:
            self._connection.execute("DELETE FROM entries")
            self._bytes = 0

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            # What a crash of the machine may take is a help that nobody depends on.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA journal_mode = WAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise sqlite3.DatabaseError(f"of another version: {version}")
            connection.executescript(SCHEMA)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    @contextlib.contextmanager
    def _using(self) -> Iterator[None]:
        try:
            with self._lock:
                yield
        except sqlite3.Error as error:
            raise HistoryUnavailable(f"{self._path}: {error}") from error

    def _forget(self) -> None:
        held = self._connection.execute("SELECT COUNT(*) FROM entries").fetchone()[0]
        while held > self._most or (self._bytes > self._most_bytes and held):
            number = max(held - self._most, 1)
            oldest = self._connection.execute(
                "SELECT id, size FROM entries ORDER BY id LIMIT ?", (number,)
            ).fetchall()
            self._connection.execute("DELETE FROM entries WHERE id <= ?", (oldest[-1][0],))
            held -= len(oldest)
            self._bytes -= sum(size for _, size in oldest)

    def _read(
        self, where: str, values: Sequence[Any], *, without_texts: bool = False
    ) -> list[Entry]:
        names = [name for name in COLUMNS if not (without_texts and name in TEXTS)]
        quoted = ", ".join(f'"{name}"' for name in names)
        with self._using():
            rows = self._connection.execute(
                f"SELECT {quoted} FROM entries {where}", values  # noqa: S608 - names of columns
            ).fetchall()
        return [_entry(dict(zip(names, row, strict=True))) for row in rows]

    def _value(self, query: str) -> int:
        with self._using():
            return int(self._connection.execute(query).fetchone()[0])


@contextlib.contextmanager
def kept_history(folder: Path) -> Iterator[Store | None]:
    """The history of a folder that no Lampwork uses, to read it; None if there is none."""
    if not (folder / FILE).is_file():
        yield None
        return
    store = Store(folder, most=10**9, most_bytes=10**12)
    try:
        yield store
    finally:
        store.close()


def _where(wanted: Wanted) -> tuple[str, list[Any]]:
    parts: list[str] = ["1"]
    values: list[Any] = []
    for column, value in (
        ("function = ?", wanted.function),
        ('"trigger" = ?', wanted.trigger),
        ("trace = ?", wanted.trace),
        ("request_id = ?", wanted.request_id),
        ("id < ?", wanted.before),
        ("id > ?", wanted.after),
    ):
        if value is not None:
            parts.append(column)
            values.append(value)
    if wanted.status == ANY_FAILURE:
        parts.append("status IN (?, ?, ?, ?)")
        values += [FAILED, TIMEOUT, THROTTLED, PARTIAL]
    elif wanted.status is not None:
        parts.append("status = ?")
        values.append(wanted.status)
    if wanted.search:
        searched = ("function", "request_id", "source", "error", "trace", *TEXTS)
        parts.append(f"({' OR '.join(f'{each} LIKE ? ESCAPE ?' for each in searched)})")
        values += [f"%{_escaped(wanted.search)}%", "\\"] * len(searched)
    return f"WHERE {' AND '.join(parts)}", values


def _escaped(text: str) -> str:
    for each in ("\\", "%", "_"):
        text = text.replace(each, f"\\{each}")
    return text


def _row(entry: Entry) -> tuple[Any, ...]:
    size = ENTRY_BYTES + sum(len(getattr(entry, name) or "") for name in TEXTS)
    values = (
        json.dumps(getattr(entry, name)) if name in IN_JSON else getattr(entry, name)
        for name in COLUMNS
    )
    return (*values, size)


def _entry(row: dict[str, Any]) -> Entry:
    for name in IN_JSON:
        row[name] = json.loads(row[name])
    return Entry(**{**row, "stack": tuple(row["stack"]), "masked": tuple(row["masked"])})
