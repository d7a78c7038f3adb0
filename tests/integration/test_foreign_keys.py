"""Every foreign key has an index: without one, a DELETE reads the whole table that refers to the
deleted row. The index begins with the key's columns and covers all rows; the models and the
migrated databases are both asked."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection, Table, UniqueConstraint, inspect

from shared import database
from shared.process.event_loop import run
from shared.singletons import forget_singletons
from tests.rows import tables

FOREIGN_KEYS = [
    pytest.param(table, tuple(key.column_keys), id=f"{table.name}({', '.join(key.column_keys)})")
    for table in tables()
    for key in sorted(table.foreign_key_constraints, key=lambda key: list(key.column_keys))
]


def begins_with(columns: Sequence[str], key: Sequence[str]) -> bool:
    """An index serves a search by its first columns, in whatever order the search names them."""
    return set(columns[: len(key)]) == set(key)


def indexed_by_models(table: Table) -> Iterator[list[str]]:
    yield [column.name for column in table.primary_key]
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield [column.name for column in constraint.columns]
    for index in table.indexes:
        if index.dialect_options["sqlite"]["where"] is None:
            yield [column.name for column in index.columns]


@pytest.mark.parametrize(("table", "key"), FOREIGN_KEYS)
def test_the_models_index_every_foreign_key(table: Table, key: tuple[str, ...]):
    assert any(begins_with(columns, key) for columns in indexed_by_models(table))


def indexed_by(connection: Connection, table: str) -> Iterator[list[Any]]:
    found = inspect(connection)
    yield found.get_pk_constraint(table)["constrained_columns"]
    for constraint in found.get_unique_constraints(table):
        yield constraint["column_names"]
    for index in found.get_indexes(table):
        if not any(option.endswith("_where") for option in index.get("dialect_options", {})):
            yield index["column_names"]


def unindexed(connection: Connection) -> list[str]:
    return [
        f"{table}({', '.join(key['constrained_columns'])})"
        for table in inspect(connection).get_table_names()
        for key in inspect(connection).get_foreign_keys(table)
        if not any(
            begins_with(columns, key["constrained_columns"])
            for columns in indexed_by(connection, table)
        )
    ]


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_migrated_database_indexes_every_foreign_key(
    kind: str, request: pytest.FixtureRequest, application: pytest.MonkeyPatch
):
    if kind == "postgresql":
        application.setenv("DATABASE_URL", request.getfixturevalue("migrated_postgresql"))
        forget_singletons()

    async def ask() -> list[str]:
        async with database.engine().connect() as connection:
            return await connection.run_sync(unindexed)

    assert run(ask()) == []
