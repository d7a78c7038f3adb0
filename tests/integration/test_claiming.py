import asyncio
from collections import Counter
from uuid import UUID

import pytest
from sqlalchemy import select

from shared.database import transaction
from shared.engine import claiming
from shared.engine.dispatching import dispatch
from shared.engine.execution import Attempt, execute_next
from shared.models.base import database_now
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.models.user import Plan
from shared.plans import PLANS
from shared.process.event_loop import run
from shared.schemas.task import TaskCreate
from shared.services.sweeping import sweep
from shared.services.tasks import TaskService
from tests.services import rung
from tests.tasks import (
    FakeGenerator,
    blocked_transactions,
    change,
    claim,
    forget_others,
    make_subscriber,
    make_task,
    make_user,
    picture,
    read,
)

LAMP = TaskCreate(prompt="a lamp")


@pytest.fixture(params=["backend", "postgresql_backend"])
def database(request: pytest.FixtureRequest) -> pytest.MonkeyPatch:
    """The application on SQLite, then on PostgreSQL, each with room for concurrent workers."""
    backend: pytest.MonkeyPatch = request.getfixturevalue(request.param)
    backend.setenv("DATABASE_POOL_SIZE", "10")
    run(forget_others())
    return backend


async def submit(owner_id: UUID, count: int = 1) -> list[UUID]:
    service = TaskService(owner_id)
    accepted = [await service.create(LAMP, idempotency_key=None) for _ in range(count)]
    return [UUID(each.body["id"]) for each in accepted]


async def finish(task: Task) -> None:
    await Attempt(task, FakeGenerator(picture), asyncio.Event()).run()


async def run_next() -> UUID:
    """A worker with room for one task claims the next one, and finishes it."""
    task = await claiming.begin_next(worker_id="w")
    assert task is not None
    await finish(task)
    return task.id


@pytest.mark.usefixtures("database")
@pytest.mark.stream_case(47)
def test_a_user_with_many_tasks_does_not_keep_another_waiting():
    async def scenario() -> tuple[list[UUID], list[UUID]]:
        many = await submit(await make_subscriber(), 5)
        (one,) = await submit(await make_subscriber())
        order = [await run_next() for _ in range(6)]
        return [many[0], one, *many[1:]], order

    fair, order = run(scenario())

    assert order == fair


@pytest.mark.usefixtures("database")
@pytest.mark.stream_case(47)
def test_no_user_runs_more_than_the_plan_allows_however_many_workers_claim_at_once():
    async def scenario() -> Counter[UUID]:
        for owner in [await make_subscriber() for _ in range(3)]:
            await submit(owner, 5)
        begun = await asyncio.gather(*(claiming.begin_next(worker_id=str(n)) for n in range(15)))
        return Counter(task.user_id for task in begun if task)

    running = run(scenario())

    assert list(running.values()) == [PLANS[Plan.FREE].runs_at_once] * 3


async def until_blocked_or_done(claims: list[asyncio.Task[Task | None]]) -> None:
    async with asyncio.timeout(30):
        while await blocked_transactions() + sum(claim.done() for claim in claims) < len(claims):
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("postgresql_backend")
@pytest.mark.stream_case(47)
def test_a_task_that_becomes_due_waits_for_a_claim_of_the_same_owner():
    """Two claims of the first task in line meet at its row. Here the line changes between them, and
    neither sees what the other has not committed yet."""

    async def scenario() -> tuple[UUID, list[UUID]]:
        await forget_others()
        owner = await make_user()
        first = await make_task(owner, runs_at_once=1, next_attempt_at=database_now(3600))
        second = await make_task(owner, runs_at_once=1)
        claims: list[asyncio.Task[Task | None]] = []
        async with transaction() as session:
            await session.execute(select(Task).where(Task.id == second.id).with_for_update())
            claims.append(asyncio.create_task(claiming.begin_next(worker_id="a")))
            await until_blocked_or_done(claims)
            await change(first.id, next_attempt_at=database_now())
            claims.append(asyncio.create_task(claiming.begin_next(worker_id="b")))
            await until_blocked_or_done(claims)
        begun = await asyncio.gather(*claims)
        return second.id, [task.id for task in begun if task]

    second, begun = run(scenario())

    assert begun == [second]


@pytest.mark.usefixtures("database")
@pytest.mark.stream_case(48)
def test_in_a_backlog_the_larger_plan_goes_first_but_after_tasks_that_waited_long():
    async def scenario() -> tuple[list[UUID], list[UUID]]:
        free, pro = await make_subscriber(), await make_subscriber(Plan.PRO)
        (old,) = await submit(await make_subscriber())
        head_start = PLANS[Plan.PRO].head_start_seconds
        await change(old, turn_at=database_now(-head_start - 1))
        (cheap,) = await submit(free)
        (dear,) = await submit(pro)
        return [old, dear, cheap], [await run_next() for _ in range(3)]

    expected, order = run(scenario())

    assert order == expected


@pytest.mark.usefixtures("database")
@pytest.mark.stream_case(47)
def test_the_end_of_a_task_rings_for_one_that_waited_for_room_of_the_same_owner(broker):
    async def scenario() -> tuple[Task | None, list[str], Task | None]:
        owner = await make_user()
        first = await make_task(owner, runs_at_once=1)
        second = await make_task(owner, runs_at_once=1)
        await dispatch(second)
        running = await claim(first)
        kept_waiting = await claiming.begin_next(worker_id="w")
        before = len(rung(broker))
        await finish(running)
        return kept_waiting, rung(broker)[before:], await claiming.begin_next(worker_id="w")

    kept_waiting, heard, begun = run(scenario())

    assert kept_waiting is None
    assert begun is not None
    assert heard == [str(begun.id)]


@pytest.mark.usefixtures("database")
@pytest.mark.stream_case(47)
def test_the_sweep_rings_for_a_waiting_task_whose_owners_other_tasks_ended_unnoticed(broker):
    async def scenario() -> tuple[Task, list[str]]:
        owner = await make_user()
        running, waiting = [await make_task(owner, runs_at_once=1) for _ in range(2)]
        await dispatch(running)
        await dispatch(waiting)
        await claim(running)
        await claiming.begin_next(worker_id="w")
        await change(
            running.id, status=TaskStatus.CANCELLED, lease_token=None, lease_expires_at=None
        )
        before = len(rung(broker))
        await sweep()
        return waiting, rung(broker)[before:]

    waiting, heard = run(scenario())

    assert heard == [str(waiting.id)]


@pytest.mark.usefixtures("database")
def test_a_doorbell_with_nothing_to_do_does_nothing():
    async def scenario() -> TaskStatus:
        task = await make_task(next_attempt_at=database_now(60))
        await execute_next(worker_id="w")
        return (await read(task.id)).status

    assert run(scenario()) == TaskStatus.QUEUED
