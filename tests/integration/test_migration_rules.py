"""A deployment changes the schema first and the code afterwards, while requests go on."""

from collections.abc import Iterator
from io import StringIO
from uuid import uuid4

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from local.migration_rules import problems
from shared.process.event_loop import run
from shared.singletons import forget_singletons
from tests.conftest import ROOT

# Nothing has been deployed so far: the revisions up to this number make the first schema together.
FIRST_SCHEMA = 20


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE users ADD COLUMN nickname VARCHAR(50)",
        "ALTER TABLE users ADD COLUMN paid BOOLEAN DEFAULT false NOT NULL",
        "ALTER TABLE users ADD CONSTRAINT c CHECK (a > 0) NOT VALID",
        "ALTER TABLE users VALIDATE CONSTRAINT c",
        "ALTER TABLE users DROP CONSTRAINT c",
        "CREATE INDEX IF NOT EXISTS ix ON users (nickname)",
        "UPDATE users SET paid = true",
    ],
)
def test_what_code_in_use_does_not_notice_is_allowed(sql):
    assert list(problems([sql])) == []


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE users",
        "ALTER TABLE users DROP COLUMN nickname",
        "ALTER TABLE users RENAME COLUMN nickname TO alias",
        "ALTER TABLE users RENAME TO people",
        "ALTER TABLE users ALTER COLUMN nickname TYPE TEXT",
        "ALTER TABLE users ALTER COLUMN nickname SET NOT NULL",
        "ALTER TABLE users ADD COLUMN paid BOOLEAN NOT NULL",
        "ALTER TABLE users ADD CONSTRAINT c\n CHECK (a > 0)",
    ],
)
def test_what_code_in_use_would_not_survive_is_refused_unless_the_revision_contracts(sql):
    assert [problem.partition(":")[0] for problem in problems([sql])] == [" ".join(sql.split())]
    assert list(problems([sql], contracts=True)) == []


def test_an_index_that_keeps_writers_waiting_is_refused():
    assert len(list(problems(["CREATE UNIQUE INDEX ix ON users (nickname)"], contracts=True))) == 1


def test_a_table_of_the_revision_itself_has_no_readers_yet():
    made = ["CREATE TABLE keys (id UUID)", "CREATE INDEX ix ON keys (id)"]
    changed = ["ALTER TABLE keys ADD CONSTRAINT c CHECK (id IS NOT NULL)"]

    assert list(problems(made + changed)) == []


@pytest.fixture
def empty(postgresql: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A database without tables, which is this process's."""
    name = f"rules_{uuid4().hex}"
    run(make_database(f"{postgresql}/postgres", name))
    monkeypatch.setenv("DATABASE_URL", f"{postgresql}/{name}")
    forget_singletons()
    yield
    forget_singletons()


async def make_database(url: str, name: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
    await engine.dispose()


def test_no_revision_breaks_code_in_use(empty):
    config = Config(ROOT / "alembic.ini", stdout=StringIO())
    script = ScriptDirectory.from_config(config)
    later = [each for each in script.walk_revisions() if int(each.revision[:4]) > FIRST_SCHEMA]
    command.upgrade(config, f"{min(FIRST_SCHEMA, newest(script)):04}")

    for revision in reversed(later):
        contracts = bool(getattr(revision.module, "contracts", ""))
        found = list(problems(statements_of(config, revision.revision), contracts=contracts))
        assert found == [], revision.revision


def newest(script: ScriptDirectory) -> int:
    return int((script.get_current_head() or "0")[:4])


def statements_of(config: Config, revision: str) -> list[str]:
    """What an upgrade to this revision says to PostgreSQL."""
    said: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        said.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        forget_singletons()
        command.upgrade(config, revision)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    return said
