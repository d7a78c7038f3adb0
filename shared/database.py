import asyncio
import sqlite3
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, CursorResult, Executable, Row, Select, event, make_url, text
from sqlalchemy.dialects import registry
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    AsyncEngine,
    AsyncSession,
    create_async_engine,
)
from sqlalchemy.util import greenlet_spawn

from shared import settings
from shared.dependencies import dependency
from shared.errors import Unavailable
from shared.singletons import closed_by, singleton

# What statements about tables are given to: both have `execute`, `scalar` and `run_sync`.
Asked = AsyncSession | AsyncConnection

IN_PLACE = "in_place"  # the driver of shared/clients/sqlite_in_place.py
# A connection that was of use so lately is taken to be so still. A process that asks again and
# again then asks no more than it needs, and one that comes back after a restart of the server
# notices.
TRUSTED_SECONDS = 1.0
CHECK_SECONDS = 0.7  # how long a check waits for whoever is writing
SQLITE_AWAY = (
    *("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_LOCKED"),
    *("SQLITE_PROTOCOL", "SQLITE_READONLY"),
)
# The authorities of Amazon RDS, which no system trusts by itself; `make rds-authorities` renews it.
RDS_AUTHORITIES = Path(__file__).parent / "clients" / "rds_authorities.pem"
OF_RDS = (".rds.amazonaws.com", ".rds.amazonaws.com.cn")
# PostgreSQL's classes: connection exception, insufficient resources, operator intervention. And its
# code for a server that only reads, as one does that another has taken over from.
POSTGRESQL_AWAY = ("08", "53", "57P", "25006")
POSTGRESQL_REFUSES_US = "28"  # invalid authorization: the password may have been changed


@singleton
def engine() -> AsyncEngine:
    """The process's engine. A function needs one connection, since it serves one request at a time;
    a worker's settings ask for more."""
    configured = settings.database()
    made = create_async_engine(
        _with_driver(make_url(configured.url.get_secret_value()), configured.pool_size),
        pool_size=configured.pool_size,
        max_overflow=0,
        connect_args=tls(configured),
        hide_parameters=True,  # they hold hashes and addresses, and errors are logged
    )
    if made.dialect.name == "sqlite":
        event.listen(made.sync_engine, "connect", _prepare_sqlite)
        event.listen(made.sync_engine, "begin", _begin_sqlite)
    else:
        event.listen(made.sync_engine, "invalidate", _abort)
        event.listen(made.sync_engine, "connect", _note_use)
        event.listen(made.sync_engine, "checkin", _note_use)
        event.listen(made.sync_engine, "checkout", _check_unused)
    return made


closed_by(engine, AsyncEngine.dispose)


def _with_driver(url: URL, pool_size: int) -> URL:
    """A process with one connection to SQLite has no other request that could go on while it asks,
    so it needs no thread to ask in."""
    if url.get_backend_name() != "sqlite" or pool_size > 1:
        return url
    registry.register(f"sqlite.{IN_PLACE}", "shared.clients.sqlite_in_place", "InPlace")
    return url.set(drivername=f"sqlite+{IN_PLACE}")


def tls(configured: settings.DatabaseSettings) -> dict[str, ssl.SSLContext]:
    """What the driver is to check certificates with. By itself it looks for the authorities in the
    home folder of a user, and finds none on Lambda."""
    if not configured.verifies:
        return {}
    context = ssl.create_default_context(cafile=configured.ca_file)
    if configured.ca_file is None and (configured.host or "").endswith(OF_RDS):
        context.load_verify_locations(RDS_AUTHORITIES)
    return {"ssl": context}


@asynccontextmanager
async def transaction(*, writing: bool = True) -> AsyncIterator[AsyncSession]:
    """One transaction: committed at the end of the block, rolled back by an exception.

    It takes its connection with the first statement.

    Raises:
        Unavailable: the database cannot be reached, cannot write, or gives no answer in time.
    """
    bound = _engine_for(writing)
    async with (
        _asked(bound),
        AsyncSession(bound, expire_on_commit=False) as session,
        session.begin(),
    ):
        yield session


@asynccontextmanager
async def connection(
    *, writing: bool = True, alone: bool = False
) -> AsyncIterator[AsyncConnection]:
    """As `transaction`, for statements about tables alone: it keeps no entities, and each statement
    takes half of the processor time. It takes its connection at once. A statement that is `alone`
    is a transaction by itself.

    Raises:
        Unavailable: as `transaction` does.
    """
    bound = _engine_for(writing, alone=alone)
    async with _asked(bound), bound.begin() as begun:
        yield begun


async def execute(
    session: AsyncSession, statement: Executable, parameters: Mapping[str, Any]
) -> CursorResult[Any]:
    """Execute a statement about tables in the session's transaction, but past the session, which
    takes twice as long for rows that are no entities. It does not write first what the session
    holds back."""
    return await (await session.connection()).execute(statement, parameters)


async def rows(
    statement: Select[*tuple[Any, ...]], parameters: Mapping[str, Any]
) -> Sequence[Row[*tuple[Any, ...]]]:
    """All rows of one statement that only reads, and reads columns: what every request asks costs a
    third of what a session would take, which keeps entities.

    Raises:
        Unavailable: as `transaction` does.
    """
    bound = _engine_for(False)

    def ask() -> Sequence[Row[*tuple[Any, ...]]]:
        with bound.sync_engine.connect() as connection:
            return connection.execute(statement, parameters).all()

    async with _asked(bound):
        return await greenlet_spawn(ask)


@asynccontextmanager
async def _asked(bound: AsyncEngine) -> AsyncIterator[None]:
    """Raises Unavailable where what is done within shows that the database is away."""
    try:
        # SQLite is a part of this process: what it waits for is bounded by its busy timeout.
        async with nullcontext() if _is_sqlite(bound) else _question():
            yield
    except (DBAPIError, PoolTimeout, OSError) as error:
        if _says_database_is_away(error):
            raise Unavailable from error
        raise


@asynccontextmanager
async def _question() -> AsyncIterator[None]:
    """A question to the server, once there is a connection for it: who waits for one waits for
    other requests of this process, which must not count against the server."""
    server = dependency("database")
    async with nullcontext() if server.is_being_asked else _turns(), server.asked():
        yield


@singleton
def _turns() -> asyncio.Semaphore:
    return asyncio.Semaphore(settings.database().pool_size)


@singleton
def _engine_for(writing: bool, *, alone: bool = False) -> AsyncEngine:
    """On PostgreSQL each statement of a reading transaction sees what is committed when it begins,
    so a transaction around them, or around a single statement, means nothing but two more questions
    to the server."""
    made = engine()
    needless = (alone or not writing) and not _is_sqlite(made)
    options = {"isolation_level": "AUTOCOMMIT"} if needless else {}
    return made.execution_options(writing=writing, **options)


async def check() -> None:
    """Raises Unavailable unless the database answers, and can be written where that is known only
    by trying."""
    bound = engine()
    if not _is_sqlite(bound):
        async with transaction(writing=False) as session:
            await session.execute(text("SELECT 1"))
        return
    try:
        await asyncio.to_thread(_write_nothing, str(bound.url.database))
    except sqlite3.OperationalError as error:
        raise Unavailable from error


def _write_nothing(path: str) -> None:
    """Write to a SQLite file what it holds already: a full disk can still be read, and a locked
    file too."""
    uri = f"file:{quote(path)}?mode=rw"
    with closing(
        sqlite3.connect(uri, uri=True, timeout=CHECK_SECONDS, isolation_level=None)
    ) as connection:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version={version}")
        connection.execute("COMMIT")


def _is_sqlite(bound: AsyncEngine) -> bool:
    return bound.dialect.name == "sqlite"


def _says_database_is_away(error: Exception) -> bool:
    if not isinstance(error, DBAPIError):
        return True
    sqlite_name = getattr(error.orig, "sqlite_errorname", None) or ""
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    return (
        error.connection_invalidated
        or _refuses_us(error)
        or sqlite_name.startswith(SQLITE_AWAY)
        or sqlstate.startswith(POSTGRESQL_AWAY)
    )


def _refuses_us(error: DBAPIError) -> bool:
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    refused: bool = sqlstate.startswith(POSTGRESQL_REFUSES_US)
    if refused:
        settings.doubt_secret()
    return refused


def _note_use(_connection: object, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _check_unused(connection: Any, record: Any, _fairy: object) -> None:
    """Ask a connection that was not used of late whether it is of use; another takes its place if
    it is not. A server may have closed it, or have been restarted."""
    if time.monotonic() - record.info.get("used", -TRUSTED_SECONDS) < TRUSTED_SECONDS:
        return
    try:
        connection.ping()
    except connection.dbapi.Error as error:
        raise DisconnectionError from error


def _abort(connection: Any, _record: object, _error: object) -> None:
    """Close a connection that is of no use any more without a farewell, for which a server that
    gives no answer would be waited for."""
    connection.driver_connection.terminate()


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself; _begin_sqlite does
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later fails with "database is locked" when another
    # process wrote in between, whatever the timeout; so a writing one takes the lock at once.
    writing = connection.get_execution_options().get("writing", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
