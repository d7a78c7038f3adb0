from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from shared import settings
from shared.errors import Unavailable
from shared.singletons import singleton

SQLITE_AWAY = ("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_LOCKED")
# PostgreSQL's classes: connection exception, insufficient resources, operator intervention.
POSTGRESQL_AWAY = ("08", "53", "57P")


@singleton
def engine() -> AsyncEngine:
    """The process's engine. A function needs one connection, since it serves one request at a time;
    a worker's settings ask for more."""
    configured = settings.database()
    made = create_async_engine(
        configured.url.get_secret_value(),
        pool_size=configured.pool_size,
        max_overflow=0,
        pool_pre_ping=True,
        hide_parameters=True,  # they hold hashes and addresses, and errors are logged
    )
    if made.dialect.name == "sqlite":
        event.listen(made.sync_engine, "connect", _prepare_sqlite)
        event.listen(made.sync_engine, "begin", _begin_sqlite)
    return made


@asynccontextmanager
async def transaction(*, writing: bool = True) -> AsyncIterator[AsyncSession]:
    """One transaction: committed at the end of the block, rolled back by an exception.

    It takes its connection with the first statement.

    Raises:
        Unavailable: the database cannot be reached.
    """
    bound = engine().execution_options(writing=writing)
    try:
        async with AsyncSession(bound, expire_on_commit=False) as session, session.begin():
            yield session
    except (DBAPIError, PoolTimeout, OSError) as error:
        if _says_database_is_away(error):
            raise Unavailable from error
        raise


def _says_database_is_away(error: Exception) -> bool:
    if not isinstance(error, DBAPIError):
        return True
    sqlite_name = getattr(error.orig, "sqlite_errorname", None) or ""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    return (
        error.connection_invalidated
        or sqlite_name.startswith(SQLITE_AWAY)
        or sqlstate.startswith(POSTGRESQL_AWAY)
    )


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; _begin_sqlite does
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails with "database is locked" when another
    # process wrote in between, whatever the timeout; so a writing one takes the lock at once.
    writing = connection.get_execution_options().get("writing", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
