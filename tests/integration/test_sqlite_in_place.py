"""A process that serves one request at a time calls SQLite in place; others give it threads."""

import threading

import pytest
from sqlalchemy import text

from shared import database
from shared.database import transaction
from shared.process.event_loop import run
from shared.singletons import forget_singletons
from tests.tasks import make_user

pytestmark = pytest.mark.usefixtures("application")


async def ask() -> list[int]:
    async with transaction() as session:
        found = await session.scalars(text("VALUES (1), (2), (3)"))
    return list(found)


def test_a_process_with_one_connection_asks_in_its_own_thread():
    before = set(threading.enumerate())

    assert run(ask()) == [1, 2, 3]
    assert database.engine().dialect.driver == "in_place"
    # Threads of other tests may end meanwhile.
    assert set(threading.enumerate()) <= before


def test_a_process_with_more_connections_does_not_stand_still_while_one_waits(application):
    application.setenv("DATABASE_POOL_SIZE", "2")
    forget_singletons()

    assert run(ask()) == [1, 2, 3]
    assert database.engine().dialect.driver == "aiosqlite"


def test_rows_that_nobody_reads_keep_no_transaction_from_ending():
    run(make_user())
    run(make_user())

    async def leave_rows() -> None:
        async with transaction() as session:
            await session.execute(text("UPDATE users SET status = 'disabled' RETURNING id"))

    run(leave_rows())

    async def disabled() -> int:
        async with transaction(writing=False) as session:
            query = text("SELECT count(*) FROM users WHERE status = 'disabled'")
            number: int = (await session.execute(query)).scalar_one()
            return number

    assert run(disabled()) == 2


def test_a_transaction_that_fails_leaves_nothing_behind():
    async def fail() -> None:
        async with transaction() as session:
            await session.execute(text("CREATE TABLE left_behind (id)"))
            raise LookupError

    async def tables() -> int:
        async with transaction(writing=False) as session:
            query = text("SELECT count(*) FROM sqlite_schema WHERE name = 'left_behind'")
            number: int = (await session.execute(query)).scalar_one()
            return number

    with pytest.raises(LookupError):
        run(fail())

    assert run(tables()) == 0
