"""Tasks a second with a generator that does nothing, compared to their transactions alone."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from subprocess import PIPE
from time import perf_counter
from uuid import UUID

from sqlalchemy import func, select

from bench.product import act_as_a_worker_of
from bench.report import Row
from bench.transactions import make_task
from shared.database import engine, transaction
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.queues.registry import queue
from tests.conftest import ROOT
from tests.e2e.product import Person, running, sign_up
from tests.services import postgresql_server
from tests.tasks import make_user

TASKS = 400
PROCESSES = 2  # that run the transactions alone
POSTS = 20  # as many tasks as may wait at once
ROUNDS = 3
POLL_SECONDS = 0.05
SETTINGS = {
    "GENERATOR_URL": "python:bench.generators:nothing",
    "TASK_REDISPATCH_SECONDS": "3600",
}


async def measure() -> list[Row]:
    rows = await _measure("SQLite", {})
    with postgresql_server() as database:
        url = f"{database.address}/postgres"
        rows += await _measure("PostgreSQL", {"DATABASE_URL": url})
    return rows


async def _measure(name: str, variables: dict[str, str]) -> list[Row]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", environment={**SETTINGS, **variables}) as product,
        sign_up(product) as person,
    ):
        person.put_on_plan("pro")
        act_as_a_worker_of(product)
        # They alternate, so that a busy machine slows both.
        pairs = [
            (
                await _transactions_per_second(await _tasks()),
                await _tasks_per_second(await _tasks()),
            )
            for _ in range(ROUNDS)
        ]
        created = await _creations_per_second()
        posted = await asyncio.to_thread(_posts_per_second, person)
        await engine().dispose()
    alone, whole = (median(figures) for figures in zip(*pairs, strict=True))
    return [
        Row(f"{name}: run a second", {"transactions alone": alone, "end to end": whole}),
        Row(f"{name}: POSTs a second", {"transactions alone": created, "end to end": posted}),
    ]


async def _tasks() -> list[UUID]:
    """Tasks as a POST leaves them, except that no doorbell has rung for them."""
    owner = await make_user()
    return [await make_task(owner, runs_at_once=PROCESSES) for _ in range(TASKS)]


async def _transactions_per_second(ids: Sequence[UUID]) -> float:
    """Tasks a second that as many processes as workers run, each with its share."""
    command = (sys.executable, "-m", "bench.transactions")
    with ExitStack() as opened:
        processes = [
            opened.enter_context(
                subprocess.Popen(command, cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True)
            )
            for _ in range(PROCESSES)
        ]
        shares = [ids[number::PROCESSES] for number in range(PROCESSES)]
        pairs = list(zip(processes, shares, strict=True))
        for process, (first, *_) in pairs:
            _run_transactions(process, [first])  # connects
        started = perf_counter()
        await asyncio.gather(
            *(asyncio.to_thread(_run_transactions, process, share[1:]) for process, share in pairs)
        )
        return (len(ids) - PROCESSES) / (perf_counter() - started)


def _run_transactions(process: "subprocess.Popen[str]", ids: Sequence[UUID]) -> None:
    assert process.stdin
    assert process.stdout
    process.stdin.write("".join(f"{task_id}\n" for task_id in ids))
    process.stdin.flush()
    for _ in ids:
        process.stdout.readline()


async def _tasks_per_second(ids: Sequence[UUID]) -> float:
    """Tasks a second from the first doorbell to the last picture."""
    before = await _completed()
    started = perf_counter()
    for task_id in ids:
        await queue().ring_generate(task_id)
    while await _completed() - before < len(ids):
        await asyncio.sleep(POLL_SECONDS)
    return len(ids) / (perf_counter() - started)


async def _completed() -> int:
    query = select(func.count()).where(Task.status == TaskStatus.COMPLETED)
    async with transaction(writing=False) as session:
        return await session.scalar(query) or 0


async def _creations_per_second() -> float:
    """Tasks created a second, one after the other."""
    started = perf_counter()
    return len(await _tasks()) / (perf_counter() - started)


def _posts_per_second(person: Person) -> float:
    """POSTs a second from one client that waits for each answer."""
    started = perf_counter()
    for _ in range(POSTS):
        person.submit("nothing", width=64, height=64)
    return POSTS / (perf_counter() - started)
