import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest
from dramatiq import Broker, Message

from local.run_worker import STOPPED_TWICE
from shared.database import transaction
from shared.engine import transitions
from shared.models.base import database_now
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.process.event_loop import run
from shared.queues import brokers
from shared.queues.doorbells import DELIVER, GENERATE, SWEEP, TICK
from shared.queues.dramatiq_queue import DramatiqQueue
from shared.queues.registry import queue
from shared.services.sweeping import sweep
from tests.conftest import ROOT
from tests.proxy import Proxy
from tests.services import delete_queues, objects_stored
from tests.tasks import change, history, make_task, object_key, read, statuses
from tests.waiting import TIMEOUT_SECONDS, until

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture(autouse=True, params=["redis", "rabbitmq"])
def over_each_broker(request: pytest.FixtureRequest, backend: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "rabbitmq":
        address = request.getfixturevalue("rabbitmq")
        delete_queues(address, GENERATE, DELIVER, SWEEP, TICK)
        backend.setenv("QUEUE_URL", address)
    yield
    cast(DramatiqQueue, queue()).close()


over_redis = pytest.mark.parametrize("over_each_broker", ["redis"], indirect=True)


@pytest.fixture(autouse=True)
def generator(backend: pytest.MonkeyPatch) -> None:
    backend.setenv("GENERATOR_URL", "slow://")
    backend.setenv("GENERATE_CONCURRENCY", "2")
    backend.setenv("DATABASE_POOL_SIZE", "4")
    # Dramatiq's pause, in ms, when a consumer begins anew, and also before it lies still.
    backend.setenv("dramatiq_restart_delay", "200")


WORKER = "tests.worker_with_slow_generator:generate"
# As in containers: a master, and one child that works.
DRAMATIQ = (
    str(Path(sys.executable).parent / "dramatiq"),
    WORKER,
    "--processes",
    "1",
    "--threads",
    "1",
)
# As `make dev` starts it.
ALONE = (sys.executable, "-m", "local.run_worker", WORKER)


@contextmanager
def worker(log: Path, command: Sequence[str] = DRAMATIQ) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker. What is left of it at the end is killed: to stop takes Dramatiq two seconds, and is
    the subject of a few tests alone."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            stderr=output,
            start_new_session=True,
            # As the emulator starts it: only a process that knows the signal takes notice.
            preexec_fn=lambda: signal.signal(signal.SIGUSR1, signal.SIG_IGN),
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(30)


@contextmanager
def broker_of_queue() -> Iterator[Broker]:
    url = os.environ["QUEUE_URL"]
    make = brokers.rabbitmq_broker if url.startswith("amqp") else brokers.redis_broker
    with closing(cast(Broker, make(url))) as broker:
        yield broker


async def cancel(task: Task) -> None:
    async with transaction() as session:
        await transitions.cancel(session, task.id, owner_id=task.user_id)


def stop_beside_a_successor(master: "subprocess.Popen[bytes]") -> None:
    os.killpg(master.pid, signal.SIGUSR1)
    master.terminate()


def child_of(master: "subprocess.Popen[bytes]") -> int:
    path = Path(f"/proc/{master.pid}/task/{master.pid}/children")
    return int(path.read_text().split()[0])


def wait_for(task_id: UUID, reached: Callable[[Task], bool], *, sweeping: bool = False) -> Task:
    """Wait until the task has reached the state, and return it."""

    async def watch() -> Task:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not reached(task := await read(task_id)):
                if sweeping:
                    await sweep()
                await asyncio.sleep(0.1)
        return task

    return run(watch())


def submit(prompt: str) -> UUID:
    task_id = run(make_task(prompt=prompt, created_at=database_now())).id
    run(sweep())
    return task_id


def finished(task: Task) -> bool:
    return task.status.terminal


def started(task: Task) -> bool:
    return task.progress > 0


def test_a_worker_makes_the_picture(tmp_path):
    task_id = submit("0")

    with worker(tmp_path / "log"):
        task = wait_for(task_id, finished)

    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)
    assert objects_stored() == [object_key(task)]


def assert_ran_again(task: Task, events: list[dict[str, Any]]) -> None:
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)
    assert [event["terminal"] for event in events].count(True) == 1
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert objects_stored() == [object_key(task)]


@pytest.fixture
def let_go(tmp_path: Path) -> Path:
    """A file; a task whose prompt is its path waits until the file exists."""
    return tmp_path / "let go"


def run_out_of_lease(task_id: UUID) -> None:
    run(change(task_id, lease_expires_at=database_now(-1)))


@pytest.mark.stream_case(31)
def test_the_task_of_a_killed_child_runs_again(tmp_path, let_go):
    task_id = submit(str(let_go))
    with worker(tmp_path / "log") as master:
        wait_for(task_id, started)
        os.kill(child_of(master), signal.SIGKILL)
        master.wait(TIMEOUT_SECONDS)
        run_out_of_lease(task_id)
        let_go.touch()

        with worker(tmp_path / "log"):
            task = wait_for(task_id, finished, sweeping=True)

    assert_ran_again(task, run(history(task_id)))


def test_the_child_of_a_killed_master_dies_with_it(tmp_path, let_go):
    task_id = submit(str(let_go))
    with worker(tmp_path / "log") as master:
        wait_for(task_id, started)
        child = child_of(master)
        master.kill()
        master.wait(TIMEOUT_SECONDS)
        until(lambda: not Path(f"/proc/{child}/exe").exists())
        run_out_of_lease(task_id)
        let_go.touch()

        with worker(tmp_path / "log"):
            task = wait_for(task_id, finished, sweeping=True)

    assert_ran_again(task, run(history(task_id)))


@pytest.mark.stream_case(44)
def test_a_worker_told_to_stop_finishes_the_task_it_has_begun(tmp_path, let_go):
    task_id = submit(str(let_go))
    log = tmp_path / "log"
    with worker(log) as master:
        wait_for(task_id, started)
        master.terminate()
        until(lambda: "Stopping worker" in log.read_text())
        let_go.touch()
        assert master.wait(TIMEOUT_SECONDS) == 0

    task = run(read(task_id))
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)


@pytest.mark.stream_case(44)
def test_a_worker_told_to_stop_gives_back_a_task_that_takes_too_long(backend, tmp_path):
    backend.setenv("WORKER_SHUTDOWN_GRACE_SECONDS", "0.2")
    task_id = submit("60")
    with worker(tmp_path / "log") as master:
        wait_for(task_id, started)
        master.terminate()
        assert master.wait(TIMEOUT_SECONDS) == 0

    task = run(read(task_id))
    assert (task.status, task.attempt) == (TaskStatus.QUEUED, 0)


def test_a_worker_that_has_a_successor_finishes_its_task_however_long_that_takes(
    backend, tmp_path, let_go
):
    backend.setenv("WORKER_SHUTDOWN_GRACE_SECONDS", "0.1")
    task_id = submit(str(let_go))
    log = tmp_path / "log"
    with worker(log) as master:
        wait_for(task_id, started)
        stop_beside_a_successor(master)
        until(lambda: "Stopping worker" in log.read_text())
        time.sleep(0.4)  # longer than the grace
        let_go.touch()
        assert master.wait(TIMEOUT_SECONDS) == 0

    task = run(read(task_id))
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)


def test_a_worker_that_has_a_successor_leaves_what_comes_to_it(tmp_path, let_go):
    first = submit(str(let_go))
    with worker(tmp_path / "log") as finishing:
        wait_for(first, started)
        threads = Path(f"/proc/{child_of(finishing)}/task")
        working = len(list(threads.iterdir()))
        stop_beside_a_successor(finishing)
        until(lambda: len(list(threads.iterdir())) < working)  # the idle one has ended

        second = submit("0.01")
        with worker(tmp_path / "log of the successor"):
            wait_for(second, lambda task: task.status.terminal)
        assert run(read(first)).status is TaskStatus.PROCESSING
        let_go.touch()


def test_a_worker_that_has_a_successor_and_is_told_to_stop_once_more_gives_its_task_back(
    backend, tmp_path
):
    backend.setenv("WORKER_SHUTDOWN_GRACE_SECONDS", "0.1")
    task_id = submit("60")
    log = tmp_path / "log"
    with worker(log) as master:
        wait_for(task_id, started)
        stop_beside_a_successor(master)
        until(lambda: "Stopping worker" in log.read_text())
        time.sleep(0.4)  # the worker's middleware hears of its end in between
        master.terminate()
        master.wait(TIMEOUT_SECONDS)

    task = run(read(task_id))
    assert (task.status, task.attempt) == (TaskStatus.QUEUED, 0)


def test_tasks_of_one_worker_run_side_by_side(tmp_path, let_go):
    ids = [submit(str(let_go)), submit(str(let_go))]

    with worker(tmp_path / "log"):
        for task_id in ids:
            wait_for(task_id, started)
        let_go.touch()
        tasks = [wait_for(task_id, finished) for task_id in ids]

    assert all(task.status == TaskStatus.COMPLETED for task in tasks)


@pytest.mark.stream_case(38)
def test_garbage_and_doorbells_of_tasks_that_cannot_run_do_not_stop_other_tasks(tmp_path):
    cancelled = run(make_task())
    run(cancel(cancelled))
    task_id = submit("0")
    bodies = [str(cancelled.id), str(uuid4()), "no id", ""]
    with broker_of_queue() as broker:
        for body in bodies:
            broker.enqueue(Message(GENERATE, GENERATE, (), {"task_id": body}, {}))
        broker.enqueue(Message(GENERATE, GENERATE, (), {"colour": "red"}, {}))

        with worker(tmp_path / "log"):
            task = wait_for(task_id, finished)
            broker.join(GENERATE, timeout=10_000)

    assert task.status == TaskStatus.COMPLETED
    assert run(statuses(cancelled.id)) == [TaskStatus.QUEUED, TaskStatus.CANCELLED]


@pytest.mark.stream_case(45)
def test_a_task_submitted_during_an_outage_of_the_broker_runs_once_it_is_back(backend, tmp_path):
    there = os.environ["QUEUE_URL"]
    address = urlsplit(there)
    assert address.port
    with Proxy(address.port) as way:
        backend.setenv("QUEUE_URL", there.replace(f":{address.port}", f":{way.port}"))
        way.close()
        task_id = submit("0")
        queued = run(read(task_id))
        way.open()

        with worker(tmp_path / "log"):
            task = wait_for(task_id, finished, sweeping=True)

    assert queued.status == TaskStatus.QUEUED
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)
    assert objects_stored() == [object_key(task)]


@over_redis
def test_a_worker_that_nothing_watches_over_finishes_its_task_when_it_is_told_to_stop(
    tmp_path, let_go
):
    task_id = submit(str(let_go))
    log = tmp_path / "log"
    with worker(log, ALONE) as alone:
        wait_for(task_id, started)
        alone.terminate()
        until(lambda: "Shutting down" in log.read_text())
        let_go.touch()
        assert alone.wait(TIMEOUT_SECONDS) == 0

    task = run(read(task_id))
    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)


@over_redis
def test_a_worker_that_nothing_watches_over_leaves_what_comes_to_its_successor(tmp_path, let_go):
    first = submit(str(let_go))
    with worker(tmp_path / "log", ALONE) as finishing:
        wait_for(first, started)
        stop_beside_a_successor(finishing)
        until(lambda: "Shutting down" in (tmp_path / "log").read_text())

        second = submit("0.01")
        with worker(tmp_path / "log of the successor", ALONE):
            wait_for(second, finished)
        assert run(read(first)).status is TaskStatus.PROCESSING
        let_go.touch()
        assert finishing.wait(TIMEOUT_SECONDS) == 0


@over_redis
def test_a_worker_that_nothing_watches_over_ends_at_once_when_it_is_told_twice(tmp_path):
    task_id = submit("60")
    log = tmp_path / "log"
    with worker(log, ALONE) as alone:
        wait_for(task_id, started)
        alone.terminate()
        until(lambda: "Shutting down" in log.read_text())
        alone.terminate()
        assert alone.wait(TIMEOUT_SECONDS) == STOPPED_TWICE
