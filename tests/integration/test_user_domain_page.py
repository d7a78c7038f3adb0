"""docs/user_domain.md, compared with the models and with both databases as the migrations leave
them."""

import re
from enum import StrEnum
from functools import cache
from typing import Any, NamedTuple

import pytest
from sqlalchemy import (
    JSON,
    Column,
    Connection,
    DateTime,
    Enum,
    Integer,
    LargeBinary,
    String,
    Uuid,
    inspect,
)
from sqlalchemy.engine.reflection import Inspector

import shared.models.user
from shared import database
from shared.models.base import Base, UtcDateTime
from shared.process.event_loop import run
from shared.singletons import forget_singletons
from tests.conftest import ROOT
from tests.rows import tables

PAGE = (ROOT / "docs" / "user_domain.md").read_text()
KINDS = {
    "uuid": Uuid,
    "string": String,
    "enum": Enum,
    "int": Integer,
    "bytes": LargeBinary,
    "instant": UtcDateTime | DateTime,
    "json": JSON,
}
# What stays when a row goes to which it refers, and what then happens to the reference.
STAYS = {("tasks", "retry_of"): "SET NULL"}


class Documented(NamedTuple):
    kind: str
    marks: frozenset[str]
    comment: str


class Found(NamedTuple):
    """What a database says of its tables."""

    primary: dict[str, set[str]]
    unique: dict[str, set[str]]
    references: dict[tuple[str, str], tuple[str, str]]
    words: dict[str, list[set[str]]]


def entities() -> dict[str, dict[str, Documented]]:
    """The columns of each table that the diagram shows."""
    shown: dict[str, dict[str, Documented]] = {}
    for table, block in re.findall(r"^    (\w+) \{\n(.*?)^    \}", PAGE, re.MULTILINE | re.DOTALL):
        shown[table] = {}
        for line in block.splitlines():
            kind, name, marks, comment = re.fullmatch(
                r' +(\w+) (\w+)((?:,? [A-Z]K)*)(?: "(.*)")?', line
            ).groups()  # type: ignore[union-attr]
            shown[table][name] = Documented(
                kind, frozenset(re.findall(r"\w+", marks)), comment or ""
            )
    return shown


def relations() -> set[tuple[str, str]]:
    """Each table that refers to another one, with that one first."""
    return set(re.findall(r"^    (\w+) \S+--\S+ (\w+) :", PAGE, re.MULTILINE))


@pytest.fixture(scope="module")
def migrated() -> dict[str, Found]:
    return {}


@pytest.fixture(params=["sqlite", "postgresql"])
def found(
    request: pytest.FixtureRequest, application: pytest.MonkeyPatch, migrated: dict[str, Found]
) -> Found:
    """The schema of a migrated database; each is read once."""
    if request.param not in migrated:
        if request.param == "postgresql":
            application.setenv("DATABASE_URL", request.getfixturevalue("migrated_postgresql"))
            forget_singletons()
        migrated[request.param] = run(read())
    return migrated[request.param]


async def read() -> Found:
    async with database.engine().connect() as connection:
        return await connection.run_sync(_read)


def _read(connection: Connection) -> Found:
    schema: Inspector = inspect(connection)
    names = {table.name for table in tables()}
    return Found(
        {name: set(schema.get_pk_constraint(name)["constrained_columns"]) for name in names},
        {
            name: {
                each["column_names"][0]
                for each in schema.get_unique_constraints(name)
                if len(each["column_names"]) == 1
            }
            for name in names
        },
        {
            (name, key["constrained_columns"][0]): (
                key["referred_table"],
                str(key["options"].get("ondelete", "")),
            )
            for name in names
            for key in schema.get_foreign_keys(name)
        },
        {
            name: [
                set(re.findall(r"'([^']*)'", each["sqltext"]))
                for each in schema.get_check_constraints(name)
            ]
            for name in names
        },
    )


@cache
def columns() -> dict[tuple[str, str], Column[Any]]:
    return {(table.name, each.name): each for table in tables() for each in table.columns}


def test_the_page_shows_every_table_or_says_that_it_refers_to_nothing():
    aside = next(line for line in PAGE.splitlines() if "refer to nothing" in line)

    beside = set(re.findall(r"`(\w+)`", aside))
    assert entities().keys() | beside == {table.name for table in tables()}
    assert not any(
        columns()[table, name].foreign_keys for table, name in columns() if table in beside
    )


def test_each_column_on_the_page_is_there_and_of_its_kind():
    for table, shown in entities().items():
        for name, documented in shown.items():
            column = columns().get((table, name))
            assert column is not None, f"{table}.{name}"
            assert isinstance(column.type, KINDS[documented.kind]), f"{table}.{name}"
            is_enum = isinstance(column.type, Enum)
            assert is_enum == (documented.kind == "enum"), f"{table}.{name}"


def test_the_page_shows_every_column_of_words_with_words_that_exist():
    for (table, name), column in columns().items():
        if isinstance(column.type, Enum) and table in entities():
            documented = entities()[table].get(name)
            assert documented is not None, f"{table}.{name}"
            if ", " in documented.comment:
                assert documented.comment.split(", ") == column.type.enums


def test_every_enum_of_the_models_is_the_type_of_a_column():
    used = {
        column.type.enum_class for column in columns().values() if isinstance(column.type, Enum)
    }
    defined = {
        each
        for mapper in Base.registry.mappers
        for each in vars(__import__(mapper.class_.__module__, fromlist=["_"])).values()
        if isinstance(each, type) and issubclass(each, StrEnum) and each is not StrEnum
    }

    assert shared.models.user.Plan in defined
    assert defined <= used


def test_the_keys_on_the_page_are_those_of_the_databases(found):
    for table, shown in entities().items():
        marked = {
            mark: {name for name, each in shown.items() if mark in each.marks}
            for mark in ("PK", "FK", "UK")
        }
        references = {column for owner, column in found.references if owner == table}
        assert marked["PK"] == found.primary[table], table
        assert marked["FK"] == references, table
        assert marked["UK"] == found.unique[table] & shown.keys(), table


def test_the_relations_on_the_page_are_the_foreign_keys_of_the_databases(found):
    referring = {(other, table) for (table, _), (other, _) in found.references.items()}

    assert relations() == referring


def test_every_row_goes_with_that_to_which_it_refers(found):
    for place, (_, rule) in found.references.items():
        assert rule == STAYS.get(place, "CASCADE"), place


def test_every_column_of_words_is_checked_by_the_databases(found):
    for (table, name), column in columns().items():
        if isinstance(column.type, Enum):
            assert set(column.type.enums) in found.words[table], f"{table}.{name}"
