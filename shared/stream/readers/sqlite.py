import asyncio
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

from shared.errors import Unavailable

BUSY_TIMEOUT_SECONDS = 5


class SqliteDatabase:
    """A reading connection that lives in a thread of its own."""

    def __init__(self, url: str) -> None:
        # One slash ends the empty host, as in sqlite+aiosqlite:///relative.db or ////absolute.db.
        self._path = unquote(urlsplit(url).path).removeprefix("/")
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="reader")
        self._connection: sqlite3.Connection | None = None

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Sequence[Any]]:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, self._fetch, sql, arguments)
        except sqlite3.OperationalError as error:
            raise Unavailable from error

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _fetch(self, sql: str, arguments: tuple[object, ...]) -> Sequence[Sequence[Any]]:
        if self._connection is None:
            self._connection = self._connect()
        # To SQLite `$1` is a parameter whose name is 1.
        named = {str(number): _plain(value) for number, value in enumerate(arguments, start=1)}
        return self._connection.execute(sql, named).fetchall()

    def _connect(self) -> sqlite3.Connection:
        # Read-only: a mistyped path must not become an empty database.
        uri = f"file:{quote(self._path)}?mode=ro"
        return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _plain(value: object) -> object:
    return value.hex if isinstance(value, UUID) else value
