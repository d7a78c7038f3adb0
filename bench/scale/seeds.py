"""Databases of a given size, filled by seed.sql."""

import asyncio
import os
import secrets
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from tests.conftest import ROOT

SQL = (Path(__file__).parent / "seed.sql").read_text()
DAYS = 180
TASKS_OF_A_USER = 10
CLOSED_ACCOUNT = "00000000-0000-4000-8000-00000000dead"

POSTGRESQL_FUNCTIONS = """
CREATE FUNCTION moment(seconds double precision) RETURNS timestamptz LANGUAGE sql
  AS 'SELECT now() + seconds * interval ''1 second''';
CREATE FUNCTION new_id() RETURNS uuid LANGUAGE sql VOLATILE AS 'SELECT gen_random_uuid()';
CREATE FUNCTION new_bytes() RETURNS bytea LANGUAGE sql VOLATILE
  AS 'SELECT sha256(gen_random_uuid()::text::bytea)';
CREATE FUNCTION as_json(document text) RETURNS jsonb LANGUAGE sql AS 'SELECT document::jsonb';
"""


def migrate(url: str) -> None:
    command = [sys.executable, "-m", "alembic", "upgrade", "head"]
    environment = {**os.environ, "DATABASE_URL": url}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL)


def fill_sqlite(path: Path, tasks: int) -> str:
    """Make the file. Returns its URL."""
    url = f"sqlite+aiosqlite:///{path}"
    migrate(url)
    now = datetime.now(UTC)

    def moment(seconds: float) -> str:
        return (now + timedelta(seconds=seconds)).strftime("%Y-%m-%d %H:%M:%S.%f")

    database = sqlite3.connect(path)
    database.execute("PRAGMA synchronous=OFF")
    database.execute("PRAGMA cache_size=-400000")  # kilobytes
    database.create_function("moment", 1, moment)
    database.create_function("new_id", 0, lambda: secrets.token_hex(16))
    database.create_function("new_bytes", 0, lambda: secrets.token_bytes(32))
    database.create_function("as_json", 1, lambda document: document)
    database.execute("CREATE TEMP TABLE size (tasks INTEGER, users INTEGER, apart REAL)")
    database.execute("INSERT INTO size VALUES (?, ?, ?)", _size(tasks))
    database.executescript(f"BEGIN;{SQL}COMMIT;")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return url


async def fill_postgresql(server: str, name: str, tasks: int) -> str:
    """Make a database on a server. Returns its URL."""
    admin = await _connect_once_started(f"{_plain(server)}/postgres")
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    url = f"{server}/{name}"
    migrate(url)
    connection = await asyncpg.connect(_plain(url))
    await connection.execute(POSTGRESQL_FUNCTIONS)
    await connection.execute(
        "CREATE TEMP TABLE size (tasks bigint, users bigint, apart double precision)"
    )
    await connection.execute("INSERT INTO size VALUES ($1, $2, $3)", *_size(tasks))
    await connection.execute(f"BEGIN;{SQL}COMMIT;")
    await connection.execute("VACUUM ANALYZE")
    await connection.close()
    return url


async def _connect_once_started(url: str) -> asyncpg.Connection:
    """A server listens before it serves."""
    for _ in range(300):
        try:
            return await asyncpg.connect(url)
        except asyncpg.CannotConnectNowError:
            await asyncio.sleep(0.1)
    return await asyncpg.connect(url)


def _size(tasks: int) -> tuple[int, int, float]:
    return tasks, tasks // TASKS_OF_A_USER, DAYS * 86400 / tasks


def _plain(url: str) -> str:
    """asyncpg does not know the driver in SQLAlchemy's URLs."""
    return url.replace("+asyncpg", "")
