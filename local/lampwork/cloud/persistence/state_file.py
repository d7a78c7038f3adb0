import sqlite3
import threading
from collections.abc import Iterator, Mapping
from itertools import chain, count
from pathlib import Path

SCHEMA = """
CREATE TABLE IF NOT EXISTS state (
    id INTEGER PRIMARY KEY,  -- the order of insertion; a row keeps it when its value changes
    key TEXT NOT NULL UNIQUE,
    value BLOB NOT NULL
)
"""
WRITE = """
INSERT INTO state (key, value) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET value = excluded.value
"""


class StateFile:
    """Stores values by key in one SQLite file.

    Once `write` has returned, its changes survive if the process is killed. A process that is
    killed during `write` leaves either all of the changes or none.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.execute(SCHEMA)

    def write(self, changes: Mapping[str, bytes | None]) -> None:
        """Store these values in one transaction. None removes a key."""
        if not changes:
            return
        kept = [(key, value) for key, value in changes.items() if value is not None]
        gone = [(key,) for key, value in changes.items() if value is None]
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(WRITE, kept)
            self._connection.executemany("DELETE FROM state WHERE key = ?", gone)
            self._connection.execute("COMMIT")

    def read(self, prefix: str) -> Iterator[tuple[str, bytes]]:
        """The keys with this prefix and their values, in the order in which the keys were added.

        The keys are returned without the prefix.
        """
        # No character sorts after this one, so the range holds every key with the prefix.
        bounds = (prefix, prefix + chr(0x10FFFF))
        rows = self._connection.execute(
            "SELECT key, value FROM state WHERE key >= ? AND key < ? ORDER BY id", bounds
        )
        for key, value in rows.fetchall():
            yield key.removeprefix(prefix), value

    def close(self) -> None:
        self._connection.close()

    def set_aside(self, label: str) -> Path:
        """Close the file and rename it. Its new name contains `label`. Returns the new path."""
        self.close()
        path = self._path
        numbered = (f"-{label}{suffix}" for suffix in chain([""], map("-{}".format, count(2))))
        places = (path.with_name(f"{path.stem}{each}{path.suffix}") for each in numbered)
        return path.rename(next(place for place in places if not place.exists()))
