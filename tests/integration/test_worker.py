import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shared.loop import run
from shared.models.base import database_now
from shared.models.task import Task
from shared.sweeping import sweep
from shared.task_status import TaskStatus
from tests.conftest import ROOT
from tests.services import objects_stored
from tests.tasks import history, make_task, object_key, read

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(autouse=True)
def short_leases(backend: pytest.MonkeyPatch) -> None:
    backend.setenv("TASK_LEASE_SECONDS", "2")
    backend.setenv("GENERATOR_URL", "slow://")
    backend.setenv("DATABASE_POOL_SIZE", "4")


@contextmanager
def worker(log: Path, setup: str = "generate") -> Iterator["subprocess.Popen[bytes]"]:
    """A worker as it is started at home, with one child."""
    command = [
        str(Path(sys.executable).parent / "dramatiq"),
        f"tests.worker_with_slow_generator:{setup}",
        *("--processes", "1", "--threads", "2", "--worker-shutdown-timeout", "20000"),
    ]
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=ROOT, stderr=output)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def child_of(master: "subprocess.Popen[bytes]") -> int:
    path = Path(f"/proc/{master.pid}/task/{master.pid}/children")
    return int(path.read_text().split()[0])


def wait_for(task_id: UUID, reached: Callable[[Task], bool], *, sweeping: bool = False) -> Task:
    """The task once it is as awaited."""

    async def watch() -> Task:
        async with asyncio.timeout(30):
            while not reached(task := await read(task_id)):
                if sweeping:
                    await sweep()
                await asyncio.sleep(0.1)
        return task

    return run(watch())


def submit(seconds: int) -> UUID:
    task_id = run(make_task(prompt=str(seconds), created_at=database_now())).id
    run(sweep())
    return task_id


def finished(task: Task) -> bool:
    return task.status.terminal


def started(task: Task) -> bool:
    return task.progress > 0


def test_a_worker_makes_the_picture(tmp_path):
    task_id = submit(0)

    with worker(tmp_path / "log"):
        task = wait_for(task_id, finished)

    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)
    assert objects_stored() == [object_key(task)]


def assert_ran_again(task: Task, events: list[dict[str, Any]]) -> None:
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)
    assert [event["terminal"] for event in events].count(True) == 1
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert objects_stored() == [object_key(task)]


def test_the_task_of_a_killed_child_runs_again(tmp_path):
    task_id = submit(3)
    with worker(tmp_path / "log") as master:
        wait_for(task_id, started)
        os.kill(child_of(master), signal.SIGKILL)
        master.wait(20)

        with worker(tmp_path / "log"):
            task = wait_for(task_id, finished, sweeping=True)

    assert_ran_again(task, run(history(task_id)))


def test_the_child_of_a_killed_master_dies_with_it(tmp_path):
    task_id = submit(3)
    with worker(tmp_path / "log") as master:
        wait_for(task_id, started)
        child = child_of(master)
        master.kill()
        master.wait(20)
        killed_at = time.monotonic()

        with worker(tmp_path / "log"):
            task = wait_for(task_id, finished, sweeping=True)

    assert not Path(f"/proc/{child}/exe").exists()
    assert_ran_again(task, run(history(task_id)))
    assert time.monotonic() - killed_at < 20


def test_a_worker_told_to_stop_finishes_what_it_has_begun(tmp_path):
    task_id = submit(2)
    with worker(tmp_path / "log") as master:
        wait_for(task_id, started)
        master.terminate()
        assert master.wait(30) == 0

    task = run(read(task_id))
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)


def test_a_worker_told_to_stop_gives_back_what_takes_too_long(backend, tmp_path):
    backend.setenv("WORKER_SHUTDOWN_GRACE_SECONDS", "0.2")
    task_id = submit(60)
    with worker(tmp_path / "log") as master:
        wait_for(task_id, started)
        master.terminate()
        assert master.wait(30) == 0

    task = run(read(task_id))
    assert (task.status, task.attempt) == (TaskStatus.QUEUED, 0)


def test_tasks_of_one_worker_run_side_by_side(tmp_path):
    ids = [submit(2), submit(2)]

    with worker(tmp_path / "log"):
        began = time.monotonic()
        tasks = [wait_for(task_id, finished) for task_id in ids]

    assert all(task.status == TaskStatus.COMPLETED for task in tasks)
    first, second = (task.updated_at for task in tasks)
    assert abs((first - second).total_seconds()) < 1.5
    assert time.monotonic() - began < 20
