"""What a worker asks of the database for each step of a task, so that no statement creeps in."""

import asyncio
from collections.abc import Mapping

import pytest

from shared.engine import claiming
from shared.engine.execution import Attempt
from shared.engine.leases import LeaseKeeper
from shared.engine.marks import Marks
from shared.generators.port import Image
from shared.models.task import Task
from shared.process.event_loop import run
from tests.integration.test_statements import Count, counted
from tests.tasks import FakeGenerator, blank_png, claim, forget_others, lease_of, make_task

# Statements, and the transactions that hold them.
ASKED: Mapping[str, tuple[int, int]] = {
    "claim": (3, 1),
    "progress": (2, 1),
    "attempt without progress, after its claim": (3, 2),
    "marks of three states": (1, 1),
    "look at three leases": (1, 1),
    "renewal of three leases": (2, 2),
}


def of(count: Count) -> tuple[int, int]:
    return count.statements, count.transactions


async def at_once(*_: object) -> Image:
    return Image(blank_png(), "image/png", 64, 64)


async def ask_all() -> dict[str, tuple[int, int]]:
    await forget_others()
    asked = {}
    task = await make_task()
    with counted() as count:
        claimed = await claiming.begin_next(worker_id="w")
    asked["claim"] = of(count)
    assert claimed is not None
    assert claimed.id == task.id
    attempt = Attempt(claimed, FakeGenerator(at_once), asyncio.Event())
    with counted() as count:
        await attempt.run()
    asked["attempt without progress, after its claim"] = of(count)
    begun = [await claim(await make_task()) for _ in range(3)]
    attempt = Attempt(begun[0], FakeGenerator(at_once), asyncio.Event())
    with counted() as count:
        await attempt._write_progress(0.5)
    asked["progress"] = of(count)
    return asked | await ask_for_several(begun)


async def ask_for_several(begun: list[Task]) -> dict[str, tuple[int, int]]:
    asked = {}
    marks, keeper = Marks(), LeaseKeeper()
    for task in begun:
        marks.note(task)
    with counted() as count:
        await marks.write()
    asked["marks of three states"] = of(count)
    leases = [lease_of(task) for task in begun]
    for name, renew in (("look at", False), ("renewal of", True)):
        with counted() as count:
            await keeper._look(leases, renew=renew)
        asked[f"{name} three leases"] = of(count)
    return asked


@pytest.mark.usefixtures("backend")
def test_a_worker_asks_as_much_of_sqlite_as_the_table_says():
    assert run(ask_all()) == ASKED


@pytest.mark.usefixtures("postgresql_backend")
def test_a_worker_asks_as_much_of_postgresql_as_the_table_says():
    assert run(ask_all()) == ASKED
