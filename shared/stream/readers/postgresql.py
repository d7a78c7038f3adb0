import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from shared import settings
from shared.dependencies import dependency
from shared.errors import Unavailable

CONNECT_TIMEOUT_SECONDS = 5
ANSWER_TIMEOUT_SECONDS = 5
ATTEMPTS = 2  # the second is for a connection that died while it idled

AWAY = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InterfaceError,
)


class PostgresqlDatabase:
    """A pool as large as DATABASE_POOL_SIZE that connects when it is first asked."""

    def __init__(self, url: str) -> None:
        # SQLAlchemy names the driver in the scheme, and calls `ssl` what PostgreSQL calls sslmode.
        split = urlsplit(url)
        query = "&".join(
            f"sslmode={part[4:]}" if part.startswith("ssl=") else part
            for part in split.query.split("&")
        )
        self._dsn = split._replace(scheme="postgresql", query=query).geturl()
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def fetch(self, sql: str, *arguments: object) -> Sequence[Sequence[Any]]:
        for _ in range(ATTEMPTS):
            try:
                async with dependency("database").asked():
                    return await self._fetch(sql, *arguments)
            except TimeoutError as error:
                raise Unavailable from error
            except AWAY as error:
                away = error
        raise Unavailable from away

    async def _fetch(self, sql: str, *arguments: object) -> Sequence[Sequence[Any]]:
        pool = await self._open()
        connection = await pool.acquire()
        try:
            rows: Sequence[Sequence[Any]] = await connection.fetch(sql, *arguments)
        except (TimeoutError, asyncio.CancelledError):
            # To give it back would mean to wait once more for a server that gives no answer.
            connection.terminate()
            raise
        finally:
            await pool.release(connection)
        return rows

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()
            self._pool = None

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=settings.database().pool_size,
                    timeout=CONNECT_TIMEOUT_SECONDS,
                    command_timeout=ANSWER_TIMEOUT_SECONDS,
                )
            return self._pool
