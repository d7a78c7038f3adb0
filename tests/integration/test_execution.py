import asyncio
import json
import os
import sqlite3
import time
from contextlib import closing
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from PIL import Image as Picture
from redis.asyncio.client import PubSub
from sqlalchemy import event

from shared import clock, database
from shared.clients import objects, redis_client
from shared.database import transaction
from shared.engine import execution, transitions
from shared.engine.execution import Attempt, backoff_seconds, execute_next
from shared.engine.pictures import thumbnails_of
from shared.generators import failures, registry
from shared.generators.port import GenerationFailed, GenerationParameters, Image, Progress
from shared.models.base import database_now
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.process import logs
from shared.process.event_loop import run
from shared.stream.redis_keys import channel
from tests.providers import answers, base64_text, providing
from tests.services import objects_stored
from tests.tasks import (
    FakeGenerator,
    Generate,
    blank_png,
    change,
    claim,
    error_of,
    history,
    make_task,
    object_key,
    open_promises,
    picture,
    read,
    statuses,
)

PAUSE_MS = 10_000

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def quick_leases(backend: pytest.MonkeyPatch) -> None:
    backend.setenv("TASK_LEASE_SECONDS", "0.6")


async def attempt(
    generate: Generate, *, stopping: asyncio.Event | None = None, **columns: Any
) -> Task:
    """Run one attempt of a new task and return the task as it is afterwards."""
    task = await make_task(**columns)
    generator = FakeGenerator(generate)
    await Attempt(await claim(task), generator, stopping or asyncio.Event()).run()
    return await read(task.id)


class Held:
    """A generator that waits until it is released, and records how it ended."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.let_go = asyncio.Event()
        self.stopped = False

    async def generate(
        self, prompt: str, parameters: GenerationParameters, progress: Progress
    ) -> Image:
        self.started.set()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        return await picture(prompt, parameters, progress)


def test_a_task_ends_with_its_picture_stored_and_published():
    task = run(attempt(picture))

    assert task.status == TaskStatus.COMPLETED
    assert objects_stored() == [object_key(task)]
    assert object_key(task).startswith(f"tasks/{task.id}/1-")
    assert task.published_sequence == task.sequence


async def wide_picture(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
    data = blank_png(parameters.width, parameters.height)
    return Image(data, "image/png", parameters.width, parameters.height)


WIDE = {"width": 700, "height": 350, "style": "painting", "seed": 1}


def test_a_picture_has_smaller_ones_beside_it():
    task = run(attempt(wide_picture, parameters=WIDE))

    assert task.result is not None
    assert task.result.thumbnails == (320, 640)
    keys = [task.result.thumbnail_key(width) for width in task.result.thumbnails]
    assert sorted(objects_stored()) == sorted([task.result.key, *keys])
    for width, key in zip((320, 640), keys, strict=True):
        with Picture.open(BytesIO(run(objects.get(key)) or b"")) as small:
            assert (small.format, small.size) == ("WEBP", (width, width // 2))


def test_what_only_seems_to_be_a_picture_has_no_smaller_one():
    cut_off = blank_png(700, 350)[:60]

    assert thumbnails_of(Image(cut_off, "image/png", 700, 350)) == {}


def test_a_generator_starts_before_its_beginning_is_published(backend):
    backend.setitem(registry.GENERATORS.factories, "looking", f"{__name__}:looking_generator")
    backend.setenv("GENERATOR_URL", "looking://")
    published_when_begun.clear()

    async def scenario() -> list[str]:
        task, redis = await make_task(), redis_client.client()
        async with redis.pubsub() as frames:
            await frames.subscribe(channel(task.id))
            await redis.client_pause(PAUSE_MS, all=False)  # it can be read, not written
            try:
                await execute_next(worker_id="w")
            finally:
                await redis.client_unpause()
            return await published_statuses(frames)

    first, *_, last = run(scenario())

    assert published_when_begun == [False]
    assert (first, last) == ("processing", "completed")


published_when_begun: list[bool] = []


async def looking(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
    redis = redis_client.client()
    published_when_begun.append(bool([key async for key in redis.scan_iter("task:*:latest")]))
    await redis.client_unpause()
    return await picture(prompt, parameters, progress)


def looking_generator(url: str) -> FakeGenerator:
    return FakeGenerator(looking)


async def published_statuses(frames: PubSub) -> list[str]:
    """The statuses of the frames up to the task's completion."""
    statuses: list[str] = []
    async with asyncio.timeout(5):
        while "completed" not in statuses:
            message = await frames.get_message(ignore_subscribe_messages=True, timeout=1)
            if message is not None:
                statuses.append(json.loads(message["data"])["status"])
    return statuses


def test_progress_rises_and_is_written_at_a_limited_rate():
    async def chatty(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
        for step in range(1000):
            await progress(step / 1000)
            await asyncio.sleep(0.0005)
        return await picture(prompt, parameters, progress)

    async def scenario() -> list[float]:
        task = await attempt(chatty)
        return [event["progress"] for event in await history(task.id)]

    progress = run(scenario())

    assert progress == sorted(progress)
    assert 4 <= len(progress) <= 20


def test_invalid_progress_does_no_harm(backend):
    backend.setattr(execution, "PROGRESS_PAUSE_SECONDS", 0.02)

    async def odd(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
        for fraction in (float("nan"), -1.0, 0.5, 0.2, 99.0, float("inf")):
            await progress(fraction)
            await asyncio.sleep(0.03)  # in which it is written
        return await picture(prompt, parameters, progress)

    assert run(attempt(odd)).status == TaskStatus.COMPLETED


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (RuntimeError("CUDA at /secret/path"), "generator_error", "The generator failed."),
        (GenerationFailed("refused", "Not this prompt.", retryable=False), "refused", "Not this"),
    ],
)
def test_a_generator_that_raises_fails_the_task_with_a_message_for_its_owner(raised, code, message):
    async def broken(*_: object) -> Image:
        raise raised

    task = run(attempt(broken))

    assert task.status == TaskStatus.FAILED
    assert error_of(task)["code"] == code
    assert error_of(task)["message"].startswith(message)
    assert "secret" not in str(task.error)


def test_the_reason_for_a_missing_picture_is_logged_with_the_id_of_its_request(caplog):
    caplog.handler.addFilter(logs.Redaction())

    async def broken(*_: object) -> Image:
        raise failures.unavailable("ConnectError")

    task = run(attempt(broken, request_id="Y2hhc2U9"))

    [record] = [record for record in caplog.records if record.message == "No picture was generated"]
    assert (vars(record)["request_id"], vars(record)["task_id"]) == ("Y2hhc2U9", str(task.id))


@pytest.mark.parametrize(
    "image",
    [
        Image(b"", "image/png", 64, 64),
        Image(b"<html>", "image/png", 64, 64),
        Image(b"\x89PNG\r\n\x1a\n", "image/png", 64, 64),
    ],
)
def test_bytes_that_are_no_picture_fail_the_task(image):
    async def garbage(*_: object) -> Image:
        wrong: Image = image
        return wrong

    task = run(attempt(garbage))

    assert (task.status, error_of(task)["code"]) == (TaskStatus.FAILED, "invalid_output")
    assert objects_stored() == []


def test_a_picture_of_another_size_is_refused():
    async def small(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
        return await picture(prompt, GenerationParameters(width=65, height=64), progress)

    assert error_of(run(attempt(small)))["code"] == "invalid_output"


async def never() -> None:
    await asyncio.Event().wait()


async def cooperative(*_: Any) -> Image:
    await never()
    raise AssertionError


async def swallows_its_cancellation(*_: Any) -> Image:
    try:
        await never()
    except asyncio.CancelledError:
        await asyncio.sleep(0.4)  # longer than anybody waits for it
    raise ValueError("too late")


async def sleeps_in_a_thread(*_: Any) -> Image:
    await asyncio.to_thread(time.sleep, 0.4)
    raise AssertionError


@pytest.fixture
def little_grace(backend: pytest.MonkeyPatch) -> None:
    backend.setattr(execution, "STOP_GRACE_SECONDS", 0.1)


@pytest.mark.parametrize("generate", [cooperative, swallows_its_cancellation, sleeps_in_a_thread])
@pytest.mark.stream_case(43)
def test_a_generator_that_takes_too_long_fails_the_task_once(generate, little_grace):
    async def scenario() -> tuple[Task, list[TaskStatus]]:
        task = await attempt(generate, run_timeout_seconds=0.1)
        return task, await statuses(task.id)

    task, events = run(scenario())

    assert (task.status, error_of(task)["code"]) == (TaskStatus.FAILED, "timeout")
    assert [status for status in events if status.terminal] == [TaskStatus.FAILED]


def test_a_picture_that_comes_after_the_end_of_its_attempt_is_not_stored(little_grace):
    async def late(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
        left_behind.append(asyncio.current_task())
        try:
            await never()
        except asyncio.CancelledError:
            await let_go.wait()
        return await picture(prompt, parameters, no_progress)

    async def no_progress(fraction: float) -> None:
        pass

    async def scenario() -> Task:
        task = await attempt(late, run_timeout_seconds=0.3)
        let_go.set()
        await asyncio.wait(left_behind)  # it ends once it has stored its picture
        return task

    let_go, left_behind = asyncio.Event(), list[Any]()
    task = run(scenario())

    assert error_of(task)["code"] == "timeout"
    assert objects_stored() == []


def test_a_retryable_failure_leads_to_another_attempt_until_none_is_left():
    async def overloaded(*_: Any) -> Image:
        raise GenerationFailed("overloaded", "The model is busy.", retryable=True)

    async def scenario() -> tuple[Task, Task]:
        first = await attempt(overloaded)
        return first, await attempt(overloaded, max_attempts=1)

    waiting, failed = run(scenario())

    assert waiting.status == TaskStatus.QUEUED
    assert waiting.dispatched_at is not None
    assert run(open_promises(waiting.id)) == []
    assert waiting.next_attempt_at > waiting.updated_at
    assert failed.status == TaskStatus.FAILED


def test_the_doorbell_of_another_attempt_rings_when_its_time_has_come(broker):
    async def overloaded(*_: Any) -> Image:
        raise GenerationFailed("busy", "Busy.", retryable=True, retry_after_seconds=90)

    waiting = run(attempt(overloaded))

    (later,) = map(json.loads, broker.hvals("dramatiq:generate.DQ.msgs"))
    assert later["kwargs"] == {"task_id": str(waiting.id)}
    rings_at = later["options"]["eta"] / 1000
    assert rings_at == pytest.approx(waiting.next_attempt_at.timestamp(), abs=5)


@pytest.mark.parametrize(("wished", "seconds"), [(90, 90), (86400, 300)])
def test_an_attempt_waits_as_long_as_the_generator_asks_up_to_a_limit(wished, seconds):
    async def overloaded(*_: Any) -> Image:
        raise GenerationFailed("busy", "Busy.", retryable=True, retry_after_seconds=wished)

    waiting = run(attempt(overloaded))

    pause = waiting.next_attempt_at - waiting.updated_at
    assert pause.total_seconds() == pytest.approx(seconds, abs=1)


def test_a_busy_http_provider_is_called_again_at_the_time_it_names():
    async def scenario() -> tuple[Task, Task]:
        async with (
            providing(answers(200, {"data": [{"b64_json": base64_text(blank_png())}]})) as free,
            providing(answers(429, Retry_After="90")) as busy,
        ):
            return (
                await attempt(registry.generator(f"openai+{free.origin}/v1").generate),
                await attempt(registry.generator(f"openai+{busy.origin}/v1").generate),
            )

    done, waiting = run(scenario())

    assert done.status == TaskStatus.COMPLETED
    assert (waiting.status, error_of(waiting)["code"]) == (TaskStatus.QUEUED, "rate_limited")
    pause = waiting.next_attempt_at - waiting.updated_at
    assert pause.total_seconds() == pytest.approx(90, abs=1)


def test_a_task_is_never_completed_without_its_object(backend):
    backend.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")

    task = run(attempt(picture))

    assert (task.status, error_of(task)["code"]) == (TaskStatus.QUEUED, "storage_unavailable")


async def until_past(instant: datetime | None) -> None:
    assert instant
    while clock.now() <= instant:
        await asyncio.sleep(0.02)


def test_a_long_task_keeps_its_lease(quick_leases):
    async def slow(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
        await looked.wait()
        return await picture(prompt, parameters, progress)

    async def scenario() -> tuple[Task | None, Task]:
        claimed = await claim(await make_task())
        work = asyncio.create_task(Attempt(claimed, FakeGenerator(slow), asyncio.Event()).run())
        await until_past(claimed.lease_expires_at)
        async with transaction() as session:
            lost = await transitions.lose_lease(session, claimed.id)
        looked.set()
        await work
        return lost, await read(claimed.id)

    looked = asyncio.Event()
    lost, task = run(scenario())

    assert lost is None
    assert task.status == TaskStatus.COMPLETED


def wait_briefly_for_a_lock(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA busy_timeout=100")


def test_a_short_outage_of_the_database_costs_no_attempt(backend, caplog):
    path = os.environ["DATABASE_URL"].partition(":///")[2]
    event.listen(database.engine().sync_engine, "connect", wait_briefly_for_a_lock)

    async def during_an_outage(
        prompt: str, parameters: GenerationParameters, progress: Progress
    ) -> Image:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")  # for longer than anybody waits for it
            await progress(0.5)
            while "Progress was not written" not in caplog.messages:
                await asyncio.sleep(0.02)
            other.execute("ROLLBACK")
        return await picture(prompt, parameters, progress)

    task = run(attempt(during_an_outage))

    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 1)


@pytest.mark.stream_case(51)
def test_a_cancelled_task_stops_its_generator_and_leaves_no_object(quick_leases):
    async def scenario() -> tuple[Held, Task, list[TaskStatus]]:
        held, task = Held(), await make_task()
        work = asyncio.create_task(Attempt(await claim(task), held, asyncio.Event()).run())
        await held.started.wait()
        async with transaction() as session:
            await transitions.cancel(session, task.id, owner_id=task.user_id)
        async with asyncio.timeout(2):
            await work
        return held, await read(task.id), await statuses(task.id)

    held, task, events = run(scenario())

    assert held.stopped
    assert task.status == TaskStatus.CANCELLED
    assert events[-2:] == [TaskStatus.PROCESSING, TaskStatus.CANCELLED]
    assert objects_stored() == []


@pytest.mark.parametrize(
    ("paint", "columns"), [(picture, {}), (wide_picture, {"parameters": WIDE})]
)
def test_an_accepted_cancel_wins_over_a_finished_picture_and_its_smaller_ones(
    paint: Generate, columns
):
    async def scenario() -> Task:
        async def cancelled_meanwhile(
            prompt: str, parameters: GenerationParameters, progress: Progress
        ) -> Image:
            async with transaction() as session:
                await transitions.cancel(session, task.id, owner_id=task.user_id)
            return await paint(prompt, parameters, progress)

        task = await make_task(**columns)
        generator = FakeGenerator(cancelled_meanwhile)
        await Attempt(await claim(task), generator, asyncio.Event()).run()
        return await read(task.id)

    assert run(scenario()).status == TaskStatus.CANCELLED
    assert objects_stored() == []


@pytest.mark.stream_case(51)
def test_a_cancelled_picture_is_removed_when_it_reaches_a_slow_store(backend):
    on_its_way, let_through, arrived = asyncio.Event(), asyncio.Event(), asyncio.Event()
    put = objects.put

    async def put_slowly(key: str, data: bytes, *, content_type: str) -> None:
        on_its_way.set()
        await let_through.wait()
        await put(key, data, content_type=content_type)
        arrived.set()

    backend.setattr(objects, "put", put_slowly)

    async def scenario() -> Task:
        task = await make_task()
        lease = await claim(task)
        work = asyncio.create_task(Attempt(lease, FakeGenerator(picture), asyncio.Event()).run())
        await on_its_way.wait()
        async with transaction() as session:
            await transitions.cancel(session, task.id, owner_id=task.user_id)
        async with asyncio.timeout(5):
            while not (finished := await read(task.id)).status.terminal:
                await asyncio.sleep(0.05)
            while (finished := await read(task.id)).published_sequence < finished.sequence:
                await asyncio.sleep(0.05)
        let_through.set()
        await asyncio.gather(work, arrived.wait())
        return finished

    finished = run(scenario())

    assert finished.status == TaskStatus.CANCELLED
    assert objects_stored() == []


@pytest.mark.stream_case(34)
def test_a_worker_that_was_frozen_past_its_lease_leaves_no_trace():
    async def scenario() -> tuple[Task, list[dict[str, Any]]]:
        frozen, task = Held(), await make_task()
        zombie = asyncio.create_task(Attempt(await claim(task), frozen, asyncio.Event()).run())
        await frozen.started.wait()
        await change(task.id, lease_expires_at=database_now(-1))
        async with transaction() as session:
            await transitions.lose_lease(session, task.id)
        again = await claim(task)
        await Attempt(again, FakeGenerator(picture), asyncio.Event()).run()
        frozen.let_go.set()
        await zombie
        return await read(task.id), await history(task.id)

    task, events = run(scenario())

    assert (task.status, task.attempt) == (TaskStatus.COMPLETED, 2)
    assert sum(event["terminal"] for event in events) == 1
    assert objects_stored() == [object_key(task)]


def test_a_stopping_worker_gives_its_task_back():
    async def scenario() -> Task:
        held, task, stopping = Held(), await make_task(), asyncio.Event()
        work = asyncio.create_task(Attempt(await claim(task), held, stopping).run())
        await held.started.wait()
        stopping.set()
        await work
        return await read(task.id)

    task = run(scenario())

    assert (task.status, task.attempt) == (TaskStatus.QUEUED, 0)
    assert task.dispatched_at is not None


runs: list[str] = []


async def counted(prompt: str, parameters: GenerationParameters, progress: Progress) -> Image:
    runs.append(prompt)
    return await picture(prompt, parameters, progress)


def counting_generator(url: str) -> FakeGenerator:
    return FakeGenerator(counted)


@pytest.mark.stream_case(35)
def test_a_message_that_comes_many_times_runs_the_task_once(backend):
    backend.setitem(registry.GENERATORS.factories, "counting", f"{__name__}:counting_generator")
    backend.setenv("GENERATOR_URL", "counting://")
    runs.clear()

    async def scenario() -> Task:
        task = await make_task()
        copies = (execute_next(worker_id=str(n)) for n in range(10))
        await asyncio.gather(*copies)
        return await read(task.id)

    task = run(scenario())

    assert task.status == TaskStatus.COMPLETED
    assert runs == ["a lamp"]


@pytest.mark.parametrize("attempts", range(1, 12))
@pytest.mark.stream_case(41)
def test_the_wait_between_attempts_doubles_to_a_limit(attempts):
    longest = min(300.0, 2.0**attempts)

    assert all(longest / 2 <= backoff_seconds(attempts) <= longest for _ in range(50))
