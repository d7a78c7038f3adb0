"""What the disk or another program does to a SQLite file is told as what it is."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from functions.health.health import handler as health
from shared import database
from shared.database import transaction
from shared.process.event_loop import run
from tests.http import call
from tests.task_functions import submit
from tests.tasks import make_user
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("backend")


async def pragma(setting: str) -> None:
    """Change the process's connection to the database."""
    async with transaction(writing=False) as session:
        await session.execute(text(f"PRAGMA {setting}"))


async def pages() -> int:
    async with transaction(writing=False) as session:
        number: int = (await session.execute(text("PRAGMA page_count"))).scalar_one()
        return number


@contextmanager
def locked() -> Iterator[None]:
    """Another program writes and does not end."""
    path = database.engine().url.database
    with closing(sqlite3.connect(str(path), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def assert_unavailable(answer) -> None:
    assert (answer.status, answer.json["code"]) == (503, "unavailable"), answer.body
    assert answer.headers["retry-after"] == "5"


def test_a_full_disk_is_told_as_unavailable():
    owner = run(make_user())
    run(pragma(f"max_page_count={run(pages())}"))

    answers = [submit(owner, {"prompt": "a" * 2000}) for _ in range(4)]

    assert_unavailable(answers[-1])
    run(pragma(f"max_page_count={2**30}"))
    assert submit(owner).status == 202


def test_a_file_that_cannot_be_written_is_told_as_unavailable():
    owner = run(make_user())
    run(pragma("query_only=1"))

    assert_unavailable(submit(owner))


def test_a_locked_file_is_told_as_unavailable(backend):
    owner = run(make_user())
    run(pragma("busy_timeout=50"))

    with locked():
        assert_unavailable(submit(owner))
    assert submit(owner).status == 202


def test_health_says_that_nothing_can_be_written(backend):
    backend.setattr(database, "CHECK_SECONDS", 0.05)

    with locked():
        answer = call(health, "GET", "/api/health")

    assert (answer.status, answer.json["dependencies"]["database"]["status"]) == (503, "down")
    until(lambda: call(health, "GET", "/api/health").json["status"] == "ok")


def test_health_leaves_the_file_as_it_is(tmp_path: Path):
    call(health, "GET", "/api/health")

    path = str(database.engine().url.database)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (0,)
