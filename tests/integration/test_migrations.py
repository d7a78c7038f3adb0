import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import (
    ClauseElement,
    Column,
    Connection,
    MetaData,
    Table,
    insert,
    inspect,
    select,
    text,
)
from sqlalchemy import column as column_clause
from sqlalchemy import table as table_clause
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.sql.functions import count

from shared.process.event_loop import run
from shared.singletons import forget_singletons
from tests.conftest import ROOT
from tests.rows import NOW, rows_of_a_user, tables

# As `alembic revision --autogenerate` writes it: SQLite copies the table for this.
NEWSLETTER = """\
import sqlalchemy as sa
from alembic import op

revision = "newsletter"
down_revision = "{head}"

def upgrade() -> None:
    with op.batch_alter_table("users") as batch_op:
        batch_op.add_column(
            sa.Column("newsletter", sa.Boolean(), nullable=False, server_default=sa.false())
        )

def downgrade() -> None:
    with op.batch_alter_table("users") as batch_op:
        batch_op.drop_column("newsletter")
"""
FAILING = NEWSLETTER.replace(
    "def downgrade()", '    op.execute("INSERT INTO no_table VALUES (1)")\n\ndef downgrade()'
)
LOSING_USERS = """\
from alembic import op

revision = "losing"
down_revision = "{head}"

def upgrade() -> None:
    op.execute("DELETE FROM users")

def downgrade() -> None: ...
"""
SECOND_HEAD = NEWSLETTER.replace('"newsletter"\n', '"another"\n', 1)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of an empty database, which is this process's too."""
    if request.param == "sqlite":
        address = f"sqlite+aiosqlite:///{tmp_path}/empty.db"
    else:
        server = request.getfixturevalue("postgresql")
        name = f"migrations_{uuid4().hex}"
        run(execute(f"{server}/postgres", f"CREATE DATABASE {name}"))
        address = f"{server}/{name}"
    monkeypatch.setenv("DATABASE_URL", address)
    yield address
    forget_singletons()


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the migrations, to put one more into."""
    shutil.copytree(ROOT / "migrations", tmp_path / "copy")
    return tmp_path / "copy"


def configured(folder: Path = ROOT / "migrations", said: Any = None) -> Config:
    config = Config(ROOT / "alembic.ini", stdout=said or sys.stdout)
    config.set_main_option("script_location", str(folder))
    return config


def upgrade(revision: str = "head", folder: Path = ROOT / "migrations") -> None:
    forget_singletons()
    command.upgrade(configured(folder), revision)


def downgrade(revision: str, folder: Path = ROOT / "migrations") -> None:
    forget_singletons()
    command.downgrade(configured(folder), revision)


def revisions() -> list[str]:
    """All of them, the first one first."""
    script = ScriptDirectory.from_config(configured())
    return [each.revision for each in script.walk_revisions()][::-1]


def add(folder: Path, name: str, content: str) -> None:
    (folder / "versions" / f"{name}.py").write_text(content.replace("{head}", revisions()[-1]))


async def execute(url: str, statement: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(statement))
    await engine.dispose()


async def asked(url: str, question: Any, *arguments: Any) -> Any:
    """What a function of a connection answers, in a transaction of its own."""
    engine = create_async_engine(url)
    async with engine.begin() as connection:
        answer = await connection.run_sync(question, *arguments)
    await engine.dispose()
    return answer


def present(connection: Connection) -> list[Table]:
    """The tables that are there, each behind those it refers to."""
    found = MetaData()
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


def put_rows(connection: Connection) -> None:
    """A row in each table that is there, whatever the revision."""
    known, models = rows_of_a_user(), {table.name: table for table in tables()}
    for found in present(connection):
        model = models.get(found.name, found)
        types = {
            column.name: model.columns.get(column.name, column).type for column in found.columns
        }
        row = {name: value for name, value in known.get(found.name, {}).items() if name in types}
        for column in found.columns:
            if column.name not in row and not column.nullable and column.server_default is None:
                row[column.name] = value_for(model.columns.get(column.name, column))
        # Not by the model's table, which has columns that are not there yet.
        target = table_clause(found.name, *(column_clause(*each) for each in types.items()))
        connection.execute(insert(target).values(row))


def value_for(column: Column[Any]) -> Any:
    """The model's default, else any value of the column's type."""
    default = getattr(column.default, "arg", None)
    if callable(default) and not isinstance(default, ClauseElement):
        return uuid4()
    if default is not None:
        return default
    return {int: 0, str: "x", bytes: b"x", datetime: NOW}[column.type.python_type]


def rows(connection: Connection) -> Counter[str]:
    """How many rows each table has."""
    return Counter(
        {
            table.name: connection.scalar(select(count()).select_from(table)) or 0
            for table in present(connection)
        }
    )


def test_there_is_a_row_for_every_table():
    assert set(rows_of_a_user()) == {table.name for table in tables()}


def test_revisions_are_numbered_and_follow_one_another():
    numbers = [int(revision[:4]) for revision in revisions()]

    assert numbers == list(
        range(1, len(numbers) + 1)
    ), "renumber the later of two (file, revision, down_revision): see docs/developing.md"
    assert len(ScriptDirectory.from_config(configured()).get_heads()) == 1
    for file in (ROOT / "migrations" / "versions").glob("*.py"):
        assert f'revision: str = "{file.stem[:4]}' in file.read_text(), file.name


def test_no_row_is_lost_on_the_way_from_any_revision_to_the_newest_and_back(url):
    expected: dict[str, Counter[str]] = {}
    for revision in revisions():
        upgrade(revision)
        run(asked(url, put_rows))
        expected[revision] = run(asked(url, rows))
    newest = expected[revisions()[-1]]
    for before, after in pairwise(expected.values()):
        for table in before.keys() & after.keys():
            assert after[table] == before[table] + 1, table
    assert newest["users"] == len(revisions())
    assert "No new upgrade operations detected" in check()

    for revision in revisions()[::-1]:
        downgrade(revision)
        there = run(asked(url, rows))
        assert there == Counter({table: newest[table] for table in expected[revision]}), revision

    upgrade()
    assert run(asked(url, rows))["tasks"] == newest["tasks"]
    downgrade("base")
    assert run(asked(url, present)) == []


def check() -> str:
    said = StringIO()
    forget_singletons()
    command.check(configured(said=said))
    return said.getvalue()


def test_a_table_that_sqlite_copies_takes_along_what_refers_to_it(url, copy):
    upgrade()
    run(asked(url, put_rows))
    before = run(asked(url, rows))
    add(copy, "newsletter", NEWSLETTER)

    upgrade(folder=copy)
    assert run(asked(url, rows)) == before
    downgrade(revisions()[-1], folder=copy)

    assert run(asked(url, rows)) == before


@pytest.mark.parametrize("content", [FAILING, FAILING.replace("users", "tasks")])
def test_a_migration_that_fails_leaves_the_database_as_it_was(url, copy, content):
    upgrade(revisions()[-2])
    run(asked(url, put_rows))
    before = run(asked(url, schema)), run(asked(url, rows))
    add(copy, "newsletter", content)

    with pytest.raises(DBAPIError) as raised:
        upgrade(folder=copy)

    assert "as it was before" in raised.value.__notes__[0]
    assert (run(asked(url, schema)), run(asked(url, rows))) == before


def schema(connection: Connection) -> dict[str, Any]:
    """The columns of each table, and the revision."""
    shown: dict[str, Any] = {
        name: [str(column["name"]) for column in inspect(connection).get_columns(name)]
        for name in sorted(inspect(connection).get_table_names())
    }
    shown["revision"] = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return shown


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_migration_that_leaves_rows_behind_that_refer_to_nothing_is_refused(url, copy):
    upgrade()
    run(asked(url, put_rows))
    before = run(asked(url, rows))
    add(copy, "losing", LOSING_USERS)

    with pytest.raises(CommandError, match="1 of user_profiles to users"):
        upgrade(folder=copy)

    assert run(asked(url, rows)) == before


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_database_of_another_branch_is_told_how_to_go_back(url, copy):
    add(copy, "newsletter", NEWSLETTER)
    upgrade(folder=copy)

    with pytest.raises(CommandError) as raised:
        upgrade()

    assert "revision newsletter" in str(raised.value)
    assert f"make downgrade to={revisions()[-1]}" in str(raised.value)
    assert "make clean" in str(raised.value)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_two_migrations_of_one_number_are_told_apart(url, copy):
    add(copy, "newsletter", NEWSLETTER)
    add(copy, "another", SECOND_HEAD)

    with pytest.raises(CommandError, match="another and newsletter follow the same revision"):
        upgrade(folder=copy)


def test_of_two_who_migrate_at_once_one_does(url):
    environment = {**os.environ, "DATABASE_URL": url}
    starting = [
        subprocess.Popen(
            [sys.executable, "-m", "alembic", "upgrade", "head"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]

    said = [process.communicate()[0] for process in starting]

    assert [process.returncode for process in starting] == [0, 0], said
    assert sorted(said) == ["", f"Made the database, at revision {revisions()[-1]}.\n"]


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_it_says_what_it_has_applied_and_taken_back(url, copy):
    add(copy, "newsletter", f'"""Users can ask for a newsletter"""\n{NEWSLETTER}')
    said = StringIO()
    upgrade()
    forget_singletons()
    command.upgrade(configured(copy, said), "head")
    forget_singletons()
    command.downgrade(configured(copy, said), "-1")

    assert said.getvalue() == (
        "Applied newsletter: Users can ask for a newsletter\n"
        "Took back newsletter: Users can ask for a newsletter\n"
    )
