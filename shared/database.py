from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from shared import settings
from shared.once import once


@once
def engine() -> AsyncEngine:
    """The process's engine. One connection serves one request at a time; a worker asks for more."""
    configured = settings.database()
    made = create_async_engine(
        configured.url.get_secret_value(),
        pool_size=configured.pool_size,
        max_overflow=0,
        pool_pre_ping=True,
    )
    if made.dialect.name == "sqlite":
        event.listen(made.sync_engine, "connect", _prepare_sqlite)
        event.listen(made.sync_engine, "begin", _begin_sqlite)
    return made


@asynccontextmanager
async def transaction(*, writing: bool = True) -> AsyncIterator[AsyncSession]:
    """One transaction: committed at the end of the block, rolled back by an exception."""
    async with AsyncSession(engine(), expire_on_commit=False) as session, session.begin():
        await session.connection(execution_options={"writing": writing})
        yield session


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
