"""Something breaks at the worst moment; the task and its history stay consistent."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, text, update

from shared.clients import objects
from shared.database import transaction
from shared.engine import execution, transitions
from shared.engine.execution import Attempt, execute_next
from shared.engine.transitions import Lease
from shared.errors import Unavailable
from shared.generators.port import GenerationFailed, GenerationParameters, Image, Progress
from shared.models.base import database_now
from shared.models.task import IdempotencyKey, Task
from shared.models.task_status import TaskStatus
from shared.process.event_loop import run
from shared.queues.registry import queue
from shared.services.sweeping import sweep
from tests.conftest import ROOT
from tests.http import Answer
from tests.services import objects_stored
from tests.task_functions import submit
from tests.tasks import (
    FakeGenerator,
    change,
    claim,
    history,
    lease_of,
    make_task,
    make_user,
    object_key,
    open_promises,
    picture,
    read,
)

pytestmark = pytest.mark.usefixtures("backend")

AWAY = "redis://127.0.0.1:1"


async def attempt(task: Task, generate: Any = picture) -> Task:
    await Attempt(await claim(task), FakeGenerator(generate), asyncio.Event()).run()
    return await read(task.id)


def submit_with_key(owner: UUID) -> Answer:
    return submit(owner, headers={"Idempotency-Key": "one"})


@pytest.mark.stream_case(36)
def test_a_failure_is_retried_even_while_redis_is_unavailable(backend):
    async def busy(*_: Any) -> Image:
        raise GenerationFailed("busy", "The model is busy.", retryable=True)

    backend.setenv("REDIS_URL", f"{AWAY}/0")
    backend.setenv("QUEUE_URL", f"{AWAY}/1")
    task = run(make_task())

    waiting = run(attempt(task, busy))

    assert (waiting.status, waiting.dispatched_at) == (TaskStatus.QUEUED, None)
    assert len(run(open_promises(task.id))) == 2  # one of its submission, one of the retry


async def missing() -> UUID:
    return uuid4()


async def finished() -> UUID:
    return (await attempt(await make_task())).id


async def cancelled() -> UUID:
    task = await make_task()
    async with transaction() as session:
        await transitions.cancel(session, task.id, owner_id=task.user_id)
    return task.id


async def overdue() -> UUID:
    return (await make_task(queued_deadline=database_now(-1))).id


async def running() -> UUID:
    return (await claim(await make_task())).id


@pytest.mark.stream_case(33, 38, 50)
@pytest.mark.parametrize("make", [missing, finished, cancelled, overdue, running])
def test_a_message_for_a_task_that_cannot_run_changes_nothing(make):
    task_id = run(make())
    before = run(history(task_id)), objects_stored()

    run(execute_next(worker_id="late"))

    assert (run(history(task_id)), objects_stored()) == before


@pytest.mark.stream_case(40)
def test_two_failures_and_a_success_show_every_step():
    async def twice_busy(
        prompt: str, parameters: GenerationParameters, progress: Progress
    ) -> Image:
        await progress(0.4)
        await asyncio.sleep(0.1)
        raise GenerationFailed("busy", "The model is busy.", retryable=True)

    async def scenario() -> list[dict[str, Any]]:
        task = await make_task()
        for generate in (twice_busy, twice_busy, picture):
            await attempt(task, generate)
            await change(task.id, next_attempt_at=database_now())
        return await history(task.id)

    events = run(scenario())

    begun = [event for event in events if event["progress"] == 0]
    assert [(event["status"], event["attempt"]) for event in begun] == [
        ("queued", 0), ("processing", 1),
        ("queued", 1), ("processing", 2),
        ("queued", 2), ("processing", 3),
    ]  # fmt: skip
    waits = [event["retry_at"] is not None for event in begun]
    assert waits == [False, False, True, False, True, False]
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["status"] == "completed"


@pytest.mark.stream_case(59)
def test_an_idempotency_key_is_valid_for_a_day():
    async def a_day_passes() -> None:
        async with transaction() as session:
            await session.execute(update(IdempotencyKey).values(expires_at=database_now(-1)))

    owner = run(make_user())
    first, again = (submit_with_key(owner).json["id"] for _ in range(2))
    run(a_day_passes())
    later = submit_with_key(owner).json["id"]

    assert first == again
    assert later != first


@pytest.mark.stream_case(60)
def test_a_request_that_died_after_its_commit_gets_its_answer_when_repeated(backend):
    async def die(*_: Any, **__: Any) -> None:
        raise RuntimeError

    owner = run(make_user())
    with backend.context() as patched:
        patched.setattr(queue(), "ring_generate", die)
        died = submit_with_key(owner)

    repeated = submit_with_key(owner)

    async def tasks() -> list[UUID]:
        async with transaction(writing=False) as session:
            return list(await session.scalars(select(Task.id).where(Task.user_id == owner)))

    assert (died.status, repeated.status) == (500, 202)
    assert repeated.headers["idempotent-replayed"] == "true"
    assert run(tasks()) == [UUID(repeated.json["id"])]
    assert len(run(open_promises(UUID(repeated.json["id"])))) == 1


@pytest.mark.stream_case(32)
def test_an_object_that_a_killed_worker_stored_is_removed_by_the_next_attempt():
    async def scenario() -> Task:
        task = await make_task()
        await claim(task)
        orphan = f"{objects.folder(task.id)}1-orphan.png"
        await objects.put(orphan, b"a picture", content_type="image/png")
        await change(task.id, lease_expires_at=database_now(-1))
        async with transaction() as session:
            await transitions.lose_lease(session, task.id)
        return await attempt(task)

    task = run(scenario())

    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)
    assert objects_stored() == [object_key(task)]


@pytest.mark.stream_case(32)
@pytest.mark.parametrize(
    ("columns", "status"),
    [({"attempt": 3}, "failed"), ({"cancel_requested_at": database_now()}, "cancelled")],
)
def test_an_object_that_a_killed_worker_stored_is_removed_when_no_attempt_follows(columns, status):
    async def scenario() -> Task:
        task = await make_task()
        await claim(task)
        orphan = f"{objects.folder(task.id)}3-orphan.png"
        await objects.put(orphan, b"a picture", content_type="image/png")
        await change(task.id, lease_expires_at=database_now(-1), **columns)
        await sweep()
        return await read(task.id)

    assert run(scenario()).status == status
    assert objects_stored() == []


def test_a_sweep_goes_on_when_the_object_store_is_unavailable(backend):
    backend.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    async def scenario() -> list[Task]:
        tasks = [await make_task() for _ in range(2)]
        for task in tasks:
            await claim(task)
            await change(task.id, lease_expires_at=database_now(-1), attempt=3)
        await sweep()
        return [await read(task.id) for task in tasks]

    assert {task.status for task in run(scenario())} == {TaskStatus.FAILED}


@pytest.mark.stream_case(71)
def test_sqlite_serves_many_transactions_that_read_and_then_write(backend):
    backend.setenv("DATABASE_POOL_SIZE", "8")

    async def read_then_write(task: Task) -> None:
        for _ in range(25):
            async with transaction() as session:
                known = await session.get_one(Task, task.id)
                known.runs_at_once += 1

    async def scenario() -> Task:
        task = await make_task()
        await asyncio.gather(*(read_then_write(task) for _ in range(8)))
        return await read(task.id)

    assert run(scenario()).runs_at_once == 300


WRITER = """
import sys
from uuid import UUID
from shared.engine import transitions
from shared.database import transaction
from shared.process.event_loop import run
from tests.tasks import claim, lease_of, read

async def write():
    lease = lease_of(await claim(await read(UUID(sys.argv[1]))))
    for step in range(1, 10**6):
        async with transaction() as session:
            await transitions.record_progress(session, lease, step / 10**6)
        print(step, flush=True)

run(write())
"""


@pytest.mark.stream_case(72)
def test_a_writer_killed_in_the_middle_leaves_a_whole_database():
    task = run(make_task())
    command = [sys.executable, "-c", WRITER, str(task.id)]

    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        for _ in range(40):
            written = int(writer.stdout.readline())
        writer.send_signal(signal.SIGKILL)

    path = Path(os.environ["DATABASE_URL"].partition(":///")[2])
    with closing(sqlite3.connect(path)) as database_file:
        assert database_file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    events = run(history(task.id))
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert len(events) >= written + 2
    assert run(read(task.id)).sequence == len(events)


async def cut_connections() -> None:
    async with transaction() as session:
        await session.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE pid <> pg_backend_pid() AND datname = current_database()"
            )
        )


@pytest.mark.stream_case(73)
def test_a_connection_lost_during_a_transition_repeats_no_sequence(postgresql_backend):
    async def report(lease: Lease, meanwhile: Callable[[], Awaitable[None]]) -> None:
        async with transaction() as session:
            await transitions.record_progress(session, lease, 0.5)
            await meanwhile()

    async def nothing() -> None:
        pass

    async def scenario() -> list[int]:
        lease = lease_of(await claim(await make_task()))
        with pytest.raises(Unavailable):
            await report(lease, cut_connections)
        await report(lease, nothing)
        return [event["sequence"] for event in await history(lease.task_id)]

    assert run(scenario()) == [1, 2, 3]


@pytest.mark.parametrize("patience", [60, 0], ids=["comes back", "stays away"])
def test_an_ending_is_kept_while_the_database_gives_no_answer(backend, patience):
    real, failures = transitions.complete, iter([True] * 4)

    async def no_answer(session: Any, *arguments: Any) -> Any:
        if next(failures, False):
            raise Unavailable
        return await real(session, *arguments)

    backend.setattr(transitions, "complete", no_answer)
    backend.setattr(execution, "SETTLE_PAUSE_SECONDS", 0.01)
    backend.setattr(execution, "SETTLE_SECONDS", patience)
    task = run(make_task())

    if patience:
        assert run(attempt(task)).status == TaskStatus.COMPLETED
    else:  # its lease runs out, and another worker begins anew
        with pytest.raises(Unavailable):
            run(attempt(task))
        assert run(read(task.id)).status == TaskStatus.PROCESSING


@pytest.mark.stream_case(73)
@pytest.mark.parametrize("committed", [False, True])
def test_an_ending_whose_commit_got_no_answer_is_written_once(backend, committed):
    """The database breaks the connection at the end of an attempt, before or after its commit."""
    real, failures = transitions.complete, iter([True])

    async def break_off(session: Any, *arguments: Any) -> Any:
        task = await real(session, *arguments)
        if next(failures, False):
            await (session.commit() if committed else session.rollback())
            raise Unavailable
        return task

    backend.setattr(transitions, "complete", break_off)

    task = run(make_task())
    ended = run(attempt(task))

    assert (ended.status, ended.attempt) == (TaskStatus.COMPLETED, 1)
    assert [event["status"] for event in run(history(task.id))].count("completed") == 1
    assert objects_stored() == [object_key(ended)]
