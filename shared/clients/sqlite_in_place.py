"""SQLite called in place, for processes that serve one request at a time.

aiosqlite gives each connection a thread, so that other requests go on while one waits for the
disk. A process that has one connection has nobody else to go on with, and two changes of threads
for each call cost more than most statements.

The driver is the standard library's. It is asynchronous in name only: SQLAlchemy's asyncio
extension may call it, and it never gives way. While another process writes, it waits no longer
than the busy timeout.
"""

import sqlite3
from collections import deque
from collections.abc import Iterator
from typing import Any, cast

from sqlalchemy import URL, AsyncAdaptedQueuePool, Pool
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine.interfaces import ConnectArgsType
from sqlalchemy.util.concurrency import await_, in_greenlet


async def _nothing() -> None:
    pass


class Cursor(sqlite3.Cursor):
    """Reads all rows at once, as the adapters of asynchronous drivers do: none is left to be read
    when its transaction ends."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._rows: deque[Any] = deque()

    def execute(self, sql: str, parameters: Any = ()) -> "Cursor":
        if in_greenlet():
            await_(_nothing())  # SQLAlchemy takes a driver that awaits nothing for a wrong one
        super().execute(sql, parameters)
        self._rows = deque(super().fetchall() if self.description else ())
        return self

    def fetchone(self) -> Any:
        return self._rows.popleft() if self._rows else None

    def fetchmany(self, size: int | None = None) -> list[Any]:
        wanted = self.arraysize if size is None else size
        return [self._rows.popleft() for _ in range(min(wanted, len(self._rows)))]

    def fetchall(self) -> list[Any]:
        rows, self._rows = list(self._rows), deque()
        return rows

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        while self._rows:
            yield self._rows.popleft()

    async def _async_soft_close(self) -> None:
        """SQLAlchemy's name for giving up what is not read yet; nothing is."""


class Connection(sqlite3.Connection):
    def cursor(self, factory: Any = Cursor) -> Any:
        return super().cursor(factory)


class InPlace(SQLiteDialect_pysqlite):
    """`sqlite+in_place://`"""

    driver = "in_place"
    is_async = True
    has_terminate = True
    supports_statement_cache = True

    @classmethod
    def get_pool_class(cls, url: URL) -> type[Pool]:
        return AsyncAdaptedQueuePool

    def create_connect_args(self, url: URL) -> ConnectArgsType:
        arguments, options = super().create_connect_args(url)
        return arguments, {**options, "factory": Connection}

    def do_terminate(self, dbapi_connection: Any) -> None:
        cast(sqlite3.Connection, dbapi_connection).close()
