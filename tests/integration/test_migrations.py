import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import create_async_engine

from shared.process.event_loop import run
from tests.conftest import ROOT
from tests.rows import fill, rows_of_a_user, tables


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path}/empty.db"
        return
    server = request.getfixturevalue("postgresql")
    name = f"migrations_{uuid4().hex}"
    run(create_database(f"{server}/postgres", name))
    yield f"{server}/{name}"


async def create_database(url: str, name: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()


def alembic(url: str, *command: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "alembic", *command],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


async def put_rows(url: str) -> None:
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        await fill(connection)
    await engine.dispose()


async def table_names(url: str) -> set[str]:
    def names(connection: Connection) -> set[str]:
        return set(inspect(connection).get_table_names())

    engine = create_async_engine(url)
    async with engine.connect() as connection:
        found = await connection.run_sync(names)
    await engine.dispose()
    return found


def test_there_is_a_row_for_every_table():
    assert set(rows_of_a_user()) == {table.name for table in tables()}


def test_the_schema_goes_up_down_and_up_again_with_data_in_it(url):
    everything = {table.name for table in tables()} | {"alembic_version"}

    alembic(url, "upgrade", "head")
    run(put_rows(url))
    assert run(table_names(url)) == everything
    assert "No new upgrade operations detected" in alembic(url, "check")

    alembic(url, "downgrade", "base")
    assert run(table_names(url)) == {"alembic_version"}

    alembic(url, "upgrade", "head")
    run(put_rows(url))
    assert run(table_names(url)) == everything
    assert "No new upgrade operations detected" in alembic(url, "check")
