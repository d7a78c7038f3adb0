"""One process runs as many generators at once as its setting says, and no more."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from shared.generators import concurrency
from shared.models.base import database_now
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.process.event_loop import run
from shared.queues.dramatiq_queue import DramatiqQueue
from shared.queues.registry import queue
from shared.services.sweeping import sweep
from shared.singletons import forget_singletons
from tests.integration.test_worker import child_of, worker
from tests.providers import Asked, answers, base64_text, providing
from tests.tasks import blank_png, change, make_task, make_user, read

AT_ONCE = 6
TASKS = 2 * AT_ONCE

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(autouse=True)
def close_queue(backend: pytest.MonkeyPatch) -> Iterator[None]:
    yield
    cast(DramatiqQueue, queue()).close()


@dataclass
class Wave:
    """Lets requests wait until as many as one process may send have come."""

    answer: bool = True
    waiting: int = 0
    most: int = 0
    full: asyncio.Event = field(default_factory=asyncio.Event)

    async def behave(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        full = self.full
        try:
            if self.waiting == AT_ONCE and self.answer:
                self.full = asyncio.Event()
                await asyncio.sleep(0.1)  # in which one too many would come
                full.set()
            await full.wait()
        finally:
            self.waiting -= 1
        await answers(200, {"data": [{"b64_json": base64_text(blank_png())}]})(asked, writer)


async def submit_tasks(number: int) -> list[Task]:
    owner = await make_user()
    tasks = [await make_task(owner, created_at=database_now()) for _ in range(number)]
    for task in tasks:
        await queue().ring_generate(task.id)
    return tasks


async def until_all(tasks: list[Task], reached: Callable[[Task], bool]) -> list[Task]:
    async with asyncio.timeout(60):
        while True:
            now = [await read(task.id) for task in tasks]
            if all(map(reached, now)):
                return now
            await asyncio.sleep(0.1)


@asynccontextmanager
async def provided(backend: pytest.MonkeyPatch, wave: "Wave") -> AsyncIterator["Wave"]:
    """A generator on another machine that behaves as this wave does."""
    async with providing(wave.behave) as provider:
        backend.setenv("GENERATOR_URL", f"openai+{provider.origin}/v1")
        backend.setenv("GENERATE_CONCURRENCY", str(AT_ONCE))
        yield wave


def test_as_many_requests_as_allowed_wait_for_a_remote_generator_at_once(backend, tmp_path):
    async def scenario() -> tuple[Wave, list[Task]]:
        async with provided(backend, Wave()) as wave:
            tasks = await submit_tasks(TASKS)
            with worker(tmp_path / "log"):
                return wave, await until_all(tasks, lambda task: task.status.terminal)

    wave, tasks = run(scenario())

    assert wave.most == AT_ONCE
    assert {(task.status, task.attempt) for task in tasks} == {(TaskStatus.COMPLETED, 1)}


def test_a_worker_told_to_stop_gives_back_all_that_it_runs(backend, tmp_path):
    backend.setenv("WORKER_SHUTDOWN_GRACE_SECONDS", "0.2")

    async def scenario() -> list[Task]:
        async with provided(backend, Wave(answer=False)):
            tasks = await submit_tasks(AT_ONCE)
            with worker(tmp_path / "log") as master:
                await until_all(tasks, lambda task: task.status == TaskStatus.PROCESSING)
                master.terminate()
                assert await asyncio.to_thread(master.wait, 30) == 0
            return [await read(task.id) for task in tasks]

    assert {(task.status, task.attempt) for task in run(scenario())} == {(TaskStatus.QUEUED, 0)}


def test_what_a_killed_worker_ran_is_run_again(backend, tmp_path):
    async def scenario() -> list[Task]:
        async with provided(backend, Wave(answer=False)) as wave:
            tasks = await submit_tasks(AT_ONCE)
            with worker(tmp_path / "log") as master:
                await until_all(tasks, lambda task: task.status == TaskStatus.PROCESSING)
                os.kill(child_of(master), signal.SIGKILL)
                await asyncio.to_thread(master.wait, 30)
            for task in tasks:
                await change(task.id, lease_expires_at=database_now(-1))
            wave.full.set()
            await sweep()
            with worker(tmp_path / "log"):
                return await until_all(tasks, lambda task: task.status.terminal)

    ended = {(task.status, task.attempt) for task in run(scenario())}
    assert ended == {(TaskStatus.COMPLETED, 2)}


@pytest.mark.parametrize(
    ("url", "chosen", "number"),
    [
        ("openai+https://api.example/v1", "", 64),
        ("bedrock://us-east-1/amazon.nova-canvas-v1:0", "", 64),
        ("painter://", "", concurrency.cores()),
        ("python:a:b", "", concurrency.cores()),
        ("painter://", "3", 3),
    ],
)
def test_how_many_run_at_once_depends_on_who_makes_the_pictures(backend, url, chosen, number):
    backend.setenv("GENERATOR_URL", url)
    backend.setenv("GENERATE_CONCURRENCY", chosen)
    forget_singletons()

    assert concurrency.at_once() == number


@pytest.mark.parametrize(
    ("text", "cores"), [("max 100000", None), ("50000 100000", 1), ("nonsense", None)]
)
def test_a_container_counts_only_its_share_of_the_cores(tmp_path: Path, text, cores):
    file = tmp_path / "cpu.max"
    file.write_text(text)

    assert concurrency.cores(file) == (cores or len(os.sched_getaffinity(0)))
