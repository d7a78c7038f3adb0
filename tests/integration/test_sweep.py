import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from redis import Redis
from sqlalchemy import func, select, update

import functions.tasks.sweep
from shared import database
from shared.clients import redis_client
from shared.database import transaction
from shared.engine import transitions
from shared.engine.broadcast import broadcaster
from shared.errors import SettingsError
from shared.models.base import database_now
from shared.models.mail import MailKind
from shared.models.task import IdempotencyKey, Outbox, Task, TaskEvent
from shared.models.task_status import TaskStatus
from shared.process.event_loop import run
from shared.queues.doorbells import SWEEP, message
from shared.repositories import sweeping as repository
from shared.repositories.idempotency_keys import IdempotencyKeyRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.services.sweeping import sweep
from shared.singletons import forget_singletons
from shared.stream.redis_keys import latest_key
from tests.services import rung
from tests.tasks import (
    blocked_transactions,
    change,
    claim,
    forget_others,
    history,
    lease_of,
    make_task,
    open_promises,
    read,
    statuses,
)

pytestmark = pytest.mark.usefixtures("backend")


async def finished_task() -> Task:
    task = await make_task()
    lease = lease_of(await claim(task))
    error = {"code": "x", "message": "x", "retryable": False}
    async with transaction() as session:
        await transitions.fail(session, lease, error)
    return await read(task.id)


async def count(model: Any) -> int:
    async with transaction(writing=False) as session:
        return await session.scalar(select(func.count()).select_from(model)) or 0


def test_a_task_whose_creator_died_after_the_commit_is_rung_for(broker):
    task = run(make_task())

    run(sweep())

    assert rung(broker) == [str(task.id)]
    assert run(open_promises(task.id)) == []
    assert run(read(task.id)).dispatched_at is not None


def test_whoever_makes_a_task_and_rings_has_a_moment_before_the_sweep_does(broker):
    task = run(make_task(rings_at_once=True))
    run(sweep())
    soon = rung(broker)
    run(a_moment_passes())
    run(sweep())

    assert soon == []
    assert rung(broker) == [str(task.id)]
    assert run(open_promises(task.id)) == []


def test_no_doorbell_rings_for_a_task_that_began_although_none_was_noted(broker):
    task = run(make_task(rings_at_once=True))
    run(claim(task))
    run(a_moment_passes())

    run(sweep())

    assert rung(broker) == []
    assert run(open_promises(task.id)) == []


async def a_moment_passes() -> None:
    soon = Outbox.available_at <= database_now(transitions.RINGING_SECONDS)
    async with transaction() as session:
        await session.execute(update(Outbox).where(soon).values(available_at=database_now()))


@pytest.mark.stream_case(45)
def test_a_promised_doorbell_rings_when_the_broker_is_back(backend, broker, redis_server):
    first, second = run(make_task()), run(make_task())
    backend.setenv("QUEUE_URL", "redis://127.0.0.1:1/1")
    run(sweep())
    waiting = [len(run(open_promises(task.id))) for task in (first, second)]
    backend.setenv("QUEUE_URL", f"{redis_server}/1")
    run(dispose())
    forget_singletons()

    run(sweep())

    assert waiting == [1, 1]
    assert sorted(rung(broker)) == sorted([str(first.id), str(second.id)])


async def dispose() -> None:
    await redis_client.client().aclose()
    await database.engine().dispose()


@pytest.mark.stream_case(46)
def test_two_concurrent_sweeps_ring_each_promised_doorbell_once(postgresql_backend, broker):
    async def scenario() -> list[UUID]:
        made = [(await make_task()).id for _ in range(20)]
        for _ in range(
            10
        ):  # a sweep ends when its time is over, which comes soon on a busy machine
            await asyncio.gather(*(sweep() for _ in range(4)))
            if len(rung(broker)) >= len(made):
                break
        return made

    made = run(scenario())

    assert sorted(id for id in rung(broker) if UUID(id) in made) == sorted(map(str, made))


def test_a_later_sweep_rings_the_doorbell_that_a_killed_sweep_was_about_to_ring(broker):
    async def killed_sweep() -> None:
        async with transaction() as session:
            await repository.claim_outbox(session)

    async def time_passes() -> None:
        async with transaction() as session:
            await session.execute(update(Outbox).values(locked_until=database_now(-1)))

    task = run(make_task())
    run(killed_sweep())
    run(sweep())
    soon = rung(broker)
    run(time_passes())
    run(sweep())

    assert soon == []
    assert rung(broker) == [str(task.id)]


def test_a_sweep_and_a_submission_that_ring_for_one_task_do_not_block_each_other(
    postgresql_backend, broker
):
    postgresql_backend.setenv("DATABASE_POOL_SIZE", "4")

    async def scenario() -> Task:
        await forget_others()
        task = await make_task()
        async with transaction() as submission:
            await submission.execute(select(Task).where(Task.id == task.id).with_for_update())
            sweeping = asyncio.create_task(sweep())
            async with asyncio.timeout(20):
                while not await blocked_transactions():
                    await asyncio.sleep(0.01)
            await transitions.mark_dispatched(submission, task.id, task.sequence)
        await sweeping
        return task

    task = run(scenario())

    assert rung(broker) == [str(task.id)]
    assert run(open_promises(task.id)) == []


def test_a_doorbell_that_was_lost_rings_again(broker):
    task = run(make_task())
    run(change(task.id, next_attempt_at=database_now(-200)))
    run(sweep())
    broker.flushdb()

    run(sweep())
    soon = rung(broker)
    run(change(task.id, dispatched_at=database_now(-61)))
    run(sweep())
    run(sweep())

    assert soon == []
    assert rung(broker) == [str(task.id)]


async def waits_for_retry() -> Task:
    """A task whose next attempt is due in a minute."""
    task = await make_task()
    async with transaction() as session:
        await transitions.mark_dispatched(session, task.id, task.sequence)
    lease = lease_of(await claim(task))
    error = {"code": "x", "message": "x", "retryable": True}
    async with transaction() as session:
        await transitions.retry_later(session, lease, error, delay_seconds=60)
    return await read(task.id)


def test_a_retry_is_not_rung_for_before_its_time(broker):
    task = run(waits_for_retry())

    run(sweep())

    assert rung(broker) == []
    assert len(run(open_promises(task.id))) == 1


def test_a_retry_whose_doorbell_was_lost_is_rung_for_at_once(broker):
    task = run(waits_for_retry())
    past = task.next_attempt_at - timedelta(hours=1)
    run(change(task.id, next_attempt_at=past, dispatched_at=database_now(-61)))

    run(sweep())

    assert rung(broker) == [str(task.id)]


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({}, TaskStatus.QUEUED),
        ({"attempt": 3}, TaskStatus.FAILED),
        ({"cancel_requested_at": database_now()}, TaskStatus.CANCELLED),
    ],
)
def test_the_task_of_a_killed_worker_goes_on_or_ends_and_its_watchers_are_told(
    broker, redis_server, columns, status
):
    task = run(make_task())
    run(sweep())
    broker.flushdb()
    run(claim(task))
    run(change(task.id, lease_expires_at=database_now(-1), **columns))

    run(sweep())
    run(sweep())

    swept = run(read(task.id))
    assert run(statuses(task.id)) == [TaskStatus.QUEUED, TaskStatus.PROCESSING, status]
    assert swept.published_sequence == swept.sequence
    latest = Redis.from_url(f"{redis_server}/0").hget(latest_key(task.id), "payload")
    assert json.loads(latest or "{}")["status"] == status
    assert rung(broker) == ([str(task.id)] if status == TaskStatus.QUEUED else [])


def test_a_running_task_is_left_alone():
    task = run(make_task())
    run(claim(task))

    run(sweep())

    assert run(statuses(task.id)) == [TaskStatus.QUEUED, TaskStatus.PROCESSING]


def test_a_task_that_waited_too_long_expires():
    task = run(make_task(queued_deadline=database_now(-1)))

    run(sweep())

    assert run(statuses(task.id)) == [TaskStatus.QUEUED, TaskStatus.EXPIRED]
    assert run(history(task.id))[-1]["error"]["code"] == "expired"


def test_an_unpublished_state_is_published_and_watchers_are_woken(redis_server):
    task = run(make_task())
    run(change(task.id, updated_at=database_now(-3)))
    live = Redis.from_url(f"{redis_server}/0")
    live.hset(f"ws:task:{{{task.id}}}", "connection", "new")

    run(sweep())

    assert run(read(task.id)).published_sequence == 1
    assert live.hget(latest_key(task.id), "seq") == b"1"
    wakes = Redis.from_url(f"{redis_server}/1").hvals("dramatiq:deliver.msgs")
    assert [json.loads(wake)["kwargs"] for wake in wakes] == [{"task_id": str(task.id)}]


@pytest.mark.stream_case(10)
def test_an_older_state_never_replaces_a_newer_one(redis_server):
    async def scenario() -> UUID:
        older = await make_task()
        newer = await claim(older)
        await broadcaster().publish(newer)
        await broadcaster().publish(older)
        return older.id

    task_id = run(scenario())

    assert Redis.from_url(f"{redis_server}/0").hget(latest_key(task_id), "seq") == b"2"
    assert run(read(task_id)).published_sequence == 2


def test_rows_that_nobody_needs_any_more_are_pruned(backend):
    async def scenario() -> tuple[Task, Task, list[int], int, int]:
        old, young = await finished_task(), await finished_task()
        past = database_now(-timedelta(days=8).total_seconds())
        await change(old.id, finished_at=past)
        async with transaction() as session:
            keys = IdempotencyKeyRepository(session, owner_id=old.user_id)
            for key, ttl in (("over", -1), ("good", 60)):
                await keys.add(
                    key, fingerprint=b"", task_id=old.id, status_code=202, body={}, ttl_seconds=ttl
                )
        await sweep()
        kept = [event["sequence"] for event in await history(old.id)]
        return old, young, kept, len(await history(young.id)), await count(IdempotencyKey)

    old, _, kept, young_events, keys = run(scenario())

    assert kept == [old.sequence]
    assert young_events == 3
    assert keys == 1


def test_a_part_of_the_sweep_that_fails_does_not_stop_the_others(backend, broker):
    async def scenario() -> tuple[UUID, int]:
        task = await make_task()
        async with transaction() as session:
            await OutgoingMailRepository(session).add(MailKind.PASSWORD_CHANGED, "a@example.com")
            await IdempotencyKeyRepository(session, owner_id=task.user_id).add(
                "over", fingerprint=b"", task_id=task.id, status_code=202, body={}, ttl_seconds=-1
            )
        with pytest.raises(ExceptionGroup) as failed:
            await sweep()
        assert failed.group_contains(SettingsError)
        return task.id, await count(IdempotencyKey)

    backend.setenv("MAIL_URL", "pigeon://post")
    forget_singletons()

    task_id, keys = run(scenario())

    assert rung(broker) == [str(task_id)]
    assert keys == 0


def test_the_schedule_spreads_sweeps_over_the_minute(backend, broker):
    backend.setenv("SWEEP_DELAYS_SECONDS", "0 15 30")
    task = run(make_task())

    functions.tasks.sweep.handler({"source": "aws.events"}, None)

    later = [json.loads(each) for each in broker.hvals("dramatiq:sweep.DQ.msgs")]
    assert sorted(each["options"]["eta"] - each["message_timestamp"] for each in later) == [
        pytest.approx(15_000, abs=500),
        pytest.approx(30_000, abs=500),
    ]
    assert rung(broker) == [str(task.id)]


def test_a_message_of_the_sweep_queue_sweeps_once_and_only_garbage_fails(broker):
    task = run(make_task())
    bodies = ["garbage", message(SWEEP).encode().decode()]
    records = [{"messageId": str(n), "body": body} for n, body in enumerate(bodies)]

    answer = functions.tasks.sweep.handler({"Records": records}, None)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert rung(broker) == [str(task.id)]
    assert broker.keys("dramatiq:sweep*") == []


def test_events_of_a_deleted_task_go_with_it():
    async def scenario() -> int:
        task = await make_task()
        async with transaction() as session:
            await session.delete(await session.get_one(Task, task.id))
        return await count(TaskEvent)

    assert run(scenario()) == 0
