"""What the database itself refuses and what it deletes in cascade, on SQLite and PostgreSQL."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Column, Enum, Table, UniqueConstraint, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared import database
from shared.process.event_loop import run
from shared.singletons import forget_singletons
from tests.rows import Rows, fill, tables

# Tables whose rows outlive an account: its history no longer names anybody, and the other rows
# never belonged to it.
OUTLIVES = {"auth_events", "mailbox_messages", "rate_limit_counters"}


@pytest.fixture(params=["sqlite", "postgresql"], autouse=True)
def each_database(request: pytest.FixtureRequest, application: pytest.MonkeyPatch) -> None:
    if request.param == "postgresql":
        application.setenv("DATABASE_URL", request.getfixturevalue("migrated_postgresql"))
        forget_singletons()


@asynccontextmanager
async def filled() -> AsyncIterator[tuple[AsyncConnection, Rows]]:
    """A connection that sees one row in every table; all rows are removed at the end."""
    async with database.engine().connect() as connection:
        transaction = await connection.begin()
        try:
            yield connection, await fill(connection)
        finally:
            await transaction.rollback()


def refuse(statement: str, **values: Any) -> None:
    """Assert that the database refuses an SQL statement."""

    async def send() -> None:
        async with filled() as (connection, _):
            with pytest.raises(IntegrityError):
                await connection.execute(text(statement), values)

    run(send())


def columns(kind: Callable[[Column[Any]], bool]) -> list[Any]:
    return [
        pytest.param(table.name, column.name, id=f"{table.name}.{column.name}")
        for table in tables()
        for column in table.columns
        if kind(column)
    ]


def copy_of_row(table: Table, **changed: str) -> str:
    """An INSERT that copies the existing row, except for some columns, which are given as SQL."""
    names = [column.name for column in table.columns]
    values = [changed.get(name, name) for name in names]
    key = next(iter(table.primary_key.columns)).name
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {', '.join(values)} "
        f"FROM {table.name} ORDER BY {key} LIMIT 1"
    )


def new_id() -> str:
    return f"'{uuid4().hex}'"


@pytest.mark.parametrize(("table", "column"), columns(lambda column: not column.nullable))
def test_a_required_value_cannot_be_removed(table, column):
    refuse(f"UPDATE {table} SET {column} = NULL")


@pytest.mark.parametrize(("table", "column"), columns(lambda column: isinstance(column.type, Enum)))
def test_a_column_of_words_accepts_only_known_words(table, column):
    refuse(f"UPDATE {table} SET {column} = 'nonsense'")


@pytest.mark.parametrize(("table", "column"), columns(lambda column: bool(column.foreign_keys)))
def test_a_row_refers_only_to_existing_rows(table, column):
    refuse(f"UPDATE {table} SET {column} = {new_id()}")


@pytest.mark.parametrize("table", tables(), ids=lambda table: table.name)
def test_a_row_exists_only_once(table):
    refuse(copy_of_row(table))


@pytest.mark.parametrize(
    "table",
    [
        table
        for table in tables()
        if any(isinstance(each, UniqueConstraint) for each in table.constraints)
    ],
    ids=lambda table: table.name,
)
def test_a_unique_value_is_not_repeated_under_another_id(table):
    refuse(copy_of_row(table, id=new_id()))


def test_an_address_belongs_to_one_account_only():
    refuse(copy_of_row(table_named("users"), id=new_id(), email="'ANOTHER@example.com'"))


def test_a_second_live_subscription_is_refused_and_a_past_one_is_not():
    subscriptions = table_named("subscriptions")
    refuse(copy_of_row(subscriptions, id=new_id(), plan="'pro'"))

    async def add_past_one() -> None:
        async with filled() as (connection, _):
            past = copy_of_row(subscriptions, id=new_id(), ended_at="period_end")
            await connection.execute(text(past))

    run(add_past_one())


@pytest.mark.parametrize(
    "change",
    [
        "progress = 1.01",
        "progress = -0.01",
        "attempt = max_attempts + 1",
        "published_sequence = sequence + 1",
    ],
)
def test_a_task_keeps_within_its_bounds(change):
    refuse(f"UPDATE tasks SET {change}")


def test_purging_a_user_deletes_all_of_their_rows_and_none_of_others():
    async def purge() -> tuple[dict[str, int], dict[str, int]]:
        async with filled() as (connection, _):
            before = await counts(connection)
            mine = await fill(connection)
            user_id = mine["users"]["id"]
            await connection.execute(text("DELETE FROM users WHERE id = :id"), {"id": user_id.hex})
            return before, await counts(connection)

    before, after = run(purge())

    more = {name for name in after if after[name] > before[name]}
    assert more == OUTLIVES
    assert all(after[name] >= count for name, count in before.items())


def test_a_retry_no_longer_refers_to_its_deleted_original():
    async def remove_the_first() -> Any:
        async with filled() as (connection, rows):
            first = rows["tasks"]["id"].hex
            second = uuid4().hex
            repeated = copy_of_row(
                table_named("tasks"), id=f"'{second}'", retry_of=f"'{first}'"
            ).replace(" ORDER BY", f" WHERE id = '{first}' ORDER BY")
            await connection.execute(text(repeated))
            await connection.execute(text(f"DELETE FROM tasks WHERE id = '{first}'"))
            found = await connection.execute(
                text(f"SELECT count(*) FROM tasks WHERE id = '{second}' AND retry_of IS NULL")
            )
            return found.scalar_one()

    assert run(remove_the_first()) == 1


async def counts(connection: AsyncConnection) -> dict[str, int]:
    return {
        table.name: (
            await connection.execute(text(f"SELECT count(*) FROM {table.name}"))
        ).scalar_one()
        for table in tables()
    }


def table_named(name: str) -> Table:
    return next(table for table in tables() if table.name == name)
