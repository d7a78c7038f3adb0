"""What becomes of the rows of every table: they are pruned, or bounded in another way."""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, insert, inspect, select, update

from shared import clock, database
from shared.database import transaction
from shared.models.base import Base
from shared.models.rate_limit_counter import RateLimitCounter
from shared.models.task import Task, TaskEvent
from shared.process.event_loop import run
from shared.repositories import pruning as repository
from shared.repositories.pruning import BATCH
from shared.services.pruning import prune
from shared.services.sweeping import sweep
from shared.singletons import forget_singletons
from tests.conftest import ROOT
from tests.rows import NOW, SOON, rows_of_a_user, tables
from tests.tasks import make_task

# A new table needs a rule of pruning, or a reason here why it does not grow for ever.
BOUNDED = {
    "users": "an account stays until its owner deletes it; then functions.ops.purge erases it",
    "user_profiles": "one for each account",
    "tasks": "a task stays until its owner deletes it; the plan limits how many are made",
}


@dataclass(frozen=True)
class Case:
    """Rows that go this long after the time in a column, if none of another table refers to
    them."""

    table: str
    column: str
    kept: timedelta = timedelta(0)
    others: dict[str, Any] = field(default_factory=dict)
    unless_kept_by: str | None = None

    def __str__(self) -> str:
        return f"{self.table} by {self.column} {' '.join(map(str, self.others.values()))}"


YEAR, QUARTER, WEEK = timedelta(days=365), timedelta(days=90), timedelta(days=7)
CASES = [
    Case("idempotency_keys", "expires_at"),
    Case("rate_limit_counters", "expires_at"),
    Case("outbox", "done_at", WEEK),
    Case("one_time_tokens", "expires_at", others={"consumed_at": NOW}),
    Case("one_time_tokens", "expires_at", others={"purpose": "reset_password"}),
    Case("one_time_tokens", "expires_at", others={"purpose": "change_email"}),
    Case("one_time_tokens", "expires_at", others={"purpose": "undo_email_change"}),
    Case("one_time_tokens", "expires_at", WEEK, others={"purpose": "verify_email"}),
    Case("outgoing_mails", "created_at", WEEK),
    Case("mailbox_messages", "received_at", WEEK),
    Case("auth_events", "occurred_at", QUARTER),
    Case("user_sessions", "idle_expires_at", QUARTER),
    Case("user_sessions", "revoked_at", QUARTER),
    Case("api_keys", "expires_at"),
    Case("subscriptions", "ended_at", YEAR),
    Case("webhook_deliveries", "finished_at", WEEK),
    Case("webhook_endpoints", "used_at", 2 * WEEK, unless_kept_by="webhook_deliveries"),
    Case("webhook_secrets", "expires_at"),
]


@pytest.fixture(params=["sqlite", "postgresql"])
def each_database(request: pytest.FixtureRequest, application: pytest.MonkeyPatch) -> None:
    if request.param == "postgresql":
        application.setenv("DATABASE_URL", request.getfixturevalue("migrated_postgresql"))
        forget_singletons()


def test_every_table_has_a_rule_of_pruning_or_a_reason_why_it_needs_none():
    pruned = {rule.table for rule in repository.rules(clock.now())}

    assert pruned | BOUNDED.keys() == {table.name for table in tables()}
    assert not pruned & BOUNDED.keys()


def test_every_rule_is_tried_here():
    tried = sorted([*(case.table for case in CASES), "task_events"])

    assert sorted(rule.table for rule in repository.rules(clock.now())) == tried


def test_the_documentation_says_of_every_table_when_its_rows_go():
    page = (ROOT / "docs" / "user_domain.md").read_text()
    section = page.partition("## When rows go")[2].partition("\n## ")[0]

    listed = [row for row in section.splitlines() if row.startswith("| `")]
    described = {name for row in listed for name in re.findall(r"`(\w+)`", row.split("|")[1])}

    assert described == {table.name for table in tables()}


def later(days: float) -> datetime:
    return clock.now() + timedelta(days=days)


async def put(case: Case, at: datetime) -> dict[str, Any]:
    """One row for every table, among them the one of the case; no other goes soon."""
    rows = rows_of_a_user()
    for row in rows.values():
        row |= {name: later(30) for name, value in row.items() if value == SOON}
    rows["outgoing_mails"]["available_at"] = later(1)
    rows[case.table] |= {case.column: at, **case.others}
    async with transaction() as session:
        for table in tables():
            if table.name != case.unless_kept_by:
                await session.execute(insert(table).values(**rows[table.name]))
    return rows[case.table]


async def exists(table: str, row: dict[str, Any]) -> bool:
    columns = Base.metadata.tables[table]
    key = [column == row[column.name] for column in columns.primary_key]
    async with transaction(writing=False) as session:
        return bool(await session.scalar(select(func.count()).select_from(columns).where(*key)))


@pytest.mark.usefixtures("each_database")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_row_goes_when_its_time_has_come_and_no_sooner(case):
    async def scenario() -> list[bool]:
        limit = clock.now() - case.kept
        old = await put(case, limit - timedelta(seconds=5))
        young = await put(case, limit + timedelta(minutes=5))
        await prune(seconds=60)
        return [await exists(case.table, row) for row in (old, young)]

    assert run(scenario()) == [False, True]


async def finished_tasks(number: int, *, events: int, ago: timedelta) -> list[Task]:
    """Tasks that ended so long ago, each with this many events."""
    ended = clock.now() - ago
    made = [await make_task() for _ in range(number)]
    async with transaction() as session:
        for task in made:
            later = [
                {"task_id": task.id, "sequence": s, "payload": {}} for s in range(2, events + 1)
            ]
            await session.execute(insert(TaskEvent), later)
        await session.execute(
            update(Task)
            .where(Task.id.in_([task.id for task in made]))
            .values(finished_at=ended, sequence=events, status="completed")
        )
    return made


async def sequences(task: Task) -> list[int]:
    async with transaction(writing=False) as session:
        found = select(TaskEvent.sequence).where(TaskEvent.task_id == task.id)
        return list(await session.scalars(found.order_by(TaskEvent.sequence)))


@pytest.mark.usefixtures("each_database")
def test_of_a_task_that_ended_a_week_ago_only_the_last_event_is_kept():
    async def scenario() -> list[list[int]]:
        (old,) = await finished_tasks(1, events=4, ago=timedelta(days=7, seconds=5))
        (young,) = await finished_tasks(1, events=4, ago=timedelta(days=6))
        await prune(seconds=60)
        return [await sequences(old), await sequences(young)]

    assert run(scenario()) == [[4], [1, 2, 3, 4]]


async def due() -> set[str]:
    async with transaction(writing=False) as session:
        every = repository.rules(clock.now())
        return {rule.table for rule in await repository.which_are_due(session, every)}


@pytest.mark.usefixtures("each_database")
def test_a_history_that_is_pruned_is_not_looked_at_again():
    async def scenario() -> set[str]:
        await finished_tasks(3, events=4, ago=timedelta(days=8))
        await prune(seconds=60)
        return await due()

    assert "task_events" not in run(scenario())


@pytest.mark.usefixtures("each_database")
def test_a_history_longer_than_a_batch_is_pruned_to_its_end():
    async def scenario() -> list[int]:
        (long,) = await finished_tasks(1, events=2 * BATCH + 10, ago=timedelta(days=8))
        await prune(seconds=60)
        return await sequences(long)

    assert run(scenario()) == [2 * BATCH + 10]


def test_two_prunings_at_once_leave_nothing_and_mark_nothing_too_early(
    application: pytest.MonkeyPatch, migrated_postgresql: str
):
    application.setenv("DATABASE_URL", migrated_postgresql)
    application.setenv("DATABASE_POOL_SIZE", "3")
    forget_singletons()

    async def scenario() -> list[list[int]]:
        made = await finished_tasks(3, events=BATCH, ago=timedelta(days=8))
        await asyncio.gather(*(prune(seconds=60) for _ in range(3)))
        return [await sequences(task) for task in made]

    assert run(scenario()) == [[BATCH]] * 3


@pytest.mark.usefixtures("application")
def test_pruning_ends_when_its_time_is_over():
    async def scenario() -> int:
        tasks = await finished_tasks(1, events=3 * BATCH, ago=timedelta(days=8))
        await prune(seconds=0)
        return len(await sequences(tasks[0]))

    assert run(scenario()) == 3 * BATCH


@pytest.mark.usefixtures("application")
def test_a_table_that_takes_all_the_time_of_many_calls_does_not_keep_the_others_from_theirs():
    long_ago = clock.now() - timedelta(days=1)
    calls = 25  # each begins with one of two tables: nobody sees 25 begin with the same

    def counter(number: int) -> dict[str, Any]:
        return {
            "bucket": number.to_bytes(32),
            "window_start": long_ago,
            "count": 1,
            "expires_at": long_ago,
        }

    async def scenario() -> bool:
        async with transaction() as session:
            many = [counter(number) for number in range(calls * BATCH)]
            await session.execute(insert(RateLimitCounter), many)
        last = await put(Case("webhook_secrets", "expires_at"), long_ago)
        for _ in range(calls):
            await prune(seconds=1e-4)  # time to begin one batch
        return await exists("webhook_secrets", last)

    assert not run(scenario())


# --- What a sweep costs ---------------------------------------------------------------------------


async def plans_of_a_sweep() -> dict[str, list[str]]:
    """Every statement of a sweep on SQLite, with the steps of its plan."""
    sent: dict[str, Any] = {}

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        sent[statement] = parameters

    engine = database.engine().sync_engine
    event.listen(engine, "before_cursor_execute", note)
    await sweep()
    event.remove(engine, "before_cursor_execute", note)
    plans = {}
    async with database.engine().connect() as connection:
        for statement, parameters in sent.items():
            if statement.startswith(("SELECT", "UPDATE", "DELETE")):
                rows = await connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {statement}", parameters
                )
                plans[statement] = [row["detail"] for row in rows.mappings()]
    return plans


async def partial_indexes() -> set[str]:
    async with database.engine().connect() as connection:
        return await connection.run_sync(
            lambda sync: {
                str(index["name"])
                for table in inspect(sync).get_table_names()
                for index in inspect(sync).get_indexes(table)
                if "sqlite_where" in index.get("dialect_options", {})
            }
        )


def reads_a_whole_table(step: str, partial: set[str]) -> bool:
    """A partial index that is read whole holds only rows that wait for something."""
    scanned = step.split()[1] if step.startswith("SCAN ") else None
    if scanned not in {table.name for table in tables()}:
        return False
    return not any(step.endswith(f"INDEX {name}") for name in partial)


@pytest.mark.usefixtures("backend")
def test_no_statement_of_a_sweep_reads_a_whole_table():
    async def scenario() -> tuple[dict[str, list[str]], set[str]]:
        # Something of everything that a sweep prunes, so that it does.
        for case in CASES:
            await put(case, clock.now() - case.kept - timedelta(seconds=5))
        await finished_tasks(1, events=4, ago=timedelta(days=8))
        plans: dict[str, list[str]] = {}
        while await due():  # one sweep may have no time for all
            plans |= await plans_of_a_sweep()
        return plans, await partial_indexes()

    plans, partial = run(scenario())

    emptied = {each.split()[2] for each in plans if each.startswith("DELETE")}
    assert emptied >= {rule.table for rule in repository.rules(clock.now())}
    whole = [
        step for steps in plans.values() for step in steps if reads_a_whole_table(step, partial)
    ]
    assert whole == []
