import asyncio
import re
from collections import defaultdict
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from hypothesis.stateful import run_state_machine_as_test as run_machine
from sqlalchemy import select

from shared.database import transaction
from shared.engine import claiming, transitions
from shared.engine.transitions import Lease
from shared.errors import TaskFinished
from shared.models.base import database_now
from shared.models.stored_picture import StoredPicture
from shared.models.task import Task, TaskEvent
from shared.models.task_status import TaskStatus
from shared.process.event_loop import run
from shared.services.tasks import TaskService
from tests.conftest import ROOT
from tests.tasks import (
    change,
    claim,
    forget_others,
    history,
    lease_of,
    make_task,
    make_user,
    open_promises,
    read,
    statuses,
)

ERROR = {"code": "generator_error", "message": "The generator failed.", "retryable": True}
RESULT = StoredPicture("tasks/x.png", "image/png", width=64, height=64, bytes=1)


@pytest.fixture(params=["backend", "postgresql_backend"])
def any_database(request: pytest.FixtureRequest) -> None:
    """The test runs on SQLite and on PostgreSQL, with room for concurrent transactions."""
    request.getfixturevalue(request.param).setenv("DATABASE_POOL_SIZE", "4")


async def apply(transition: Any, *arguments: Any, **options: Any) -> Task | None:
    async with transaction() as session:
        task: Task | None = await transition(session, *arguments, **options)
        return task


@pytest.mark.usefixtures("any_database")
def test_a_task_runs_to_its_end_in_contiguous_events():
    async def scenario():
        task = await make_task()
        lease = lease_of(await claim(task))
        await apply(transitions.record_progress, lease, 0.5)
        await apply(transitions.complete, lease, RESULT)
        return await history(task.id)

    events = run(scenario())

    assert [event["sequence"] for event in events] == [1, 2, 3, 4]
    assert [event["status"] for event in events] == [
        "queued", "processing", "processing", "completed",
    ]  # fmt: skip
    assert events[-1]["terminal"]
    assert events[-1]["progress"] == 1.0
    assert events[-1]["result"]["url"] == f"/api/v1/tasks/{events[0]['task_id']}/result"
    assert "key" not in events[-1]["result"]


@pytest.mark.usefixtures("any_database")
@pytest.mark.stream_case(35)
def test_only_one_of_many_workers_gets_the_task():
    async def scenario():
        task = await make_task()
        claims = (apply(transitions.claim, task.id, worker_id=str(n)) for n in range(10))
        return await asyncio.gather(*claims), await statuses(task.id)

    claimed, events = run(scenario())

    assert sum(task is not None for task in claimed) == 1
    assert events == [TaskStatus.QUEUED, TaskStatus.PROCESSING]


@pytest.mark.usefixtures("any_database")
def test_a_worker_that_lost_its_lease_writes_nothing():
    async def scenario():
        task = await make_task()
        zombie = lease_of(await claim(task))
        await change(task.id, lease_expires_at=database_now(-1))
        await apply(transitions.lose_lease, task.id)
        await claim(task, "another")
        before = await history(task.id)
        refused = [
            await apply(transitions.record_progress, zombie, 0.9),
            await apply(transitions.complete, zombie, RESULT),
            await apply(transitions.fail, zombie, ERROR),
            await apply(transitions.retry_later, zombie, ERROR, delay_seconds=1),
            await apply(transitions.release, zombie),
            await apply(transitions.acknowledge_cancel, zombie),
        ]
        return refused, before, await history(task.id)

    refused, before, after = run(scenario())

    assert refused == [None] * 6
    assert after == before
    assert after[-1]["attempt"] == 2


@pytest.mark.usefixtures("any_database")
def test_only_leases_that_still_hold_their_tasks_are_renewed():
    async def scenario():
        task, ended, cancelled = await make_task(), await make_task(), await make_task()
        zombie, over = lease_of(await claim(task)), lease_of(await claim(ended))
        await change(task.id, lease_expires_at=database_now(-1))
        await apply(transitions.lose_lease, task.id)
        again, stops = lease_of(await claim(task, "another")), lease_of(await claim(cancelled))
        await apply(transitions.cancel, cancelled.id, owner_id=cancelled.user_id)
        await apply(transitions.complete, over, RESULT)
        await change(task.id, lease_expires_at=database_now(1))
        async with transaction() as session:
            leases = [zombie, again, over, stops]
            renewed = await transitions.renew_leases(session, leases)
            held = await transitions.held(session, leases)
        return renewed == {again, stops}, held == {again: False, stops: True}, await read(task.id)

    renewed, held, task = run(scenario())

    assert renewed
    assert held
    assert task.lease_expires_at - task.updated_at > timedelta(seconds=10)


def test_a_lease_whose_row_is_locked_is_renewed_later(postgresql_backend):
    async def scenario():
        locked = lease_of(await claim(await make_task()))
        free = lease_of(await claim(await make_task()))
        async with transaction() as other:
            await transitions.record_progress(other, locked, 0.5)
            async with transaction() as session:
                return await transitions.renew_leases(session, [locked, free]) == {free}

    assert run(scenario())


@pytest.mark.usefixtures("any_database")
@pytest.mark.stream_case(52)
def test_a_race_of_cancel_and_success_has_one_end_and_the_answer_agrees():
    async def cancel(task: Task) -> bool:
        try:
            return (await TaskService(owner).cancel(task.id)).cancel_requested_at is not None
        except TaskFinished:
            return False

    async def complete(lease: Lease) -> bool:
        return await apply(transitions.complete, lease, RESULT) is not None

    async def race(*, cancel_first: bool) -> tuple[bool, bool, Task]:
        task = await make_task(owner)
        lease = lease_of(await claim(task))
        if cancel_first:
            cancelled, completed = await asyncio.gather(cancel(task), complete(lease))
        else:
            completed, cancelled = await asyncio.gather(complete(lease), cancel(task))
        await apply(transitions.acknowledge_cancel, lease)
        return cancelled, completed, await read(task.id)

    owner, ends = run(make_user()), set()
    for n in range(50):
        cancelled, completed, task = run(race(cancel_first=n % 2 == 0))

        assert cancelled != completed
        assert task.status == (TaskStatus.CANCELLED if cancelled else TaskStatus.COMPLETED)
        ends.add(task.status)
    assert ends == {TaskStatus.CANCELLED, TaskStatus.COMPLETED}


@pytest.mark.usefixtures("any_database")
def test_a_failed_attempt_waits_and_its_doorbell_rings_again():
    async def scenario():
        task = await make_task()
        lease = lease_of(await claim(task))
        await apply(transitions.record_progress, lease, 0.7)
        waiting = await apply(transitions.retry_later, lease, ERROR, delay_seconds=60)
        too_early = await apply(transitions.claim, task.id, worker_id="early")
        await change(task.id, next_attempt_at=database_now())
        again = await claim(task)
        return waiting, too_early, again, await history(task.id), await open_promises(task.id)

    waiting, too_early, again, events, promises = run(scenario())

    assert too_early is None
    assert (waiting.status, waiting.progress) == (TaskStatus.QUEUED, 0.0)
    assert events[3]["retry_at"] is not None
    assert events[3]["error"] == ERROR
    assert (again.attempt, again.error) == (2, None)
    assert len(promises) == 2


@pytest.mark.usefixtures("any_database")
def test_a_doorbell_recorded_too_late_does_not_count_for_the_next_attempt():
    async def scenario():
        task = await make_task()
        lease = lease_of(await claim(task))
        await apply(transitions.retry_later, lease, ERROR, delay_seconds=60)
        await apply(transitions.mark_dispatched, task.id, task.sequence)
        return await read(task.id), await open_promises(task.id)

    waiting, promises = run(scenario())

    assert waiting.dispatched_at is None
    assert promises == [waiting.next_attempt_at]


@pytest.mark.usefixtures("any_database")
@pytest.mark.parametrize(("seconds", "begins"), [(0.3, True), (5, False)])
def test_a_doorbell_may_ring_a_moment_before_its_time(seconds, begins):
    async def scenario():
        task = await make_task(next_attempt_at=database_now(seconds))
        return await apply(transitions.claim, task.id, worker_id="early")

    assert (run(scenario()) is not None) == begins


@pytest.mark.usefixtures("any_database")
def test_no_claim_goes_beyond_what_an_owner_may_run_at_once():
    async def scenario():
        owner = await make_user()
        first, second = [await make_task(owner, runs_at_once=1) for _ in range(2)]
        await claim(first)
        return await apply(transitions.claim, second.id, worker_id="another")

    assert run(scenario()) is None


@pytest.mark.usefixtures("any_database")
def test_a_task_has_the_whole_time_to_wait_after_each_attempt(monkeypatch):
    monkeypatch.setenv("TASK_QUEUE_TIMEOUT_SECONDS", "10")

    async def scenario():
        tried, released = await make_task(), await make_task()
        leases = [lease_of(await claim(task)) for task in (tried, released)]
        await change(released.id, queued_deadline=database_now(-1))
        return (
            await apply(transitions.retry_later, leases[0], ERROR, delay_seconds=60),
            await apply(transitions.release, leases[1]),
        )

    for waiting in run(scenario()):
        left = waiting.queued_deadline - waiting.next_attempt_at
        assert left.total_seconds() == pytest.approx(10, abs=1)


@pytest.mark.usefixtures("any_database")
@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({"attempt": 1}, TaskStatus.QUEUED),
        ({"attempt": 3}, TaskStatus.FAILED),
        ({"attempt": 1, "cancel_requested_at": database_now()}, TaskStatus.CANCELLED),
    ],
)
@pytest.mark.stream_case(54)
def test_a_lost_lease_ends_as_the_task_allows(columns, status):
    async def scenario():
        task = await make_task()
        await claim(task)
        await change(task.id, lease_expires_at=database_now(-1), **columns)
        return await apply(transitions.lose_lease, task.id)

    task = run(scenario())

    assert task.status == status
    assert task.lease_token is None
    if status == TaskStatus.FAILED:
        assert task.error["code"] == "worker_lost"


@pytest.mark.usefixtures("any_database")
def test_a_released_attempt_does_not_count():
    async def scenario():
        task = await make_task(max_attempts=1)
        released = await apply(transitions.release, lease_of(await claim(task)))
        return released, await claim(task)

    released, again = run(scenario())

    assert (released.status, released.attempt) == (TaskStatus.QUEUED, 0)
    assert again.attempt == 1


@pytest.mark.usefixtures("any_database")
@pytest.mark.stream_case(42)
def test_a_task_that_no_worker_began_in_time_expires_and_never_runs():
    async def scenario():
        task = await make_task(queued_deadline=database_now(-1))
        late = await apply(transitions.claim, task.id, worker_id="late")
        return late, await apply(transitions.expire, task.id)

    late, expired = run(scenario())

    assert late is None
    assert expired.status == TaskStatus.EXPIRED


@pytest.mark.usefixtures("any_database")
@pytest.mark.stream_case(53)
def test_another_user_cannot_cancel_a_task():
    async def scenario():
        task = await make_task()
        return await apply(transitions.cancel, task.id, owner_id=await make_user())

    assert run(scenario()) is None


@cache
def documented_steps() -> set[tuple[str, str]]:
    """The arrows of the diagram in docs/tasks.md, as pairs of statuses."""
    diagram = (
        (ROOT / "docs" / "tasks.md").read_text().partition("```mermaid")[2].partition("```")[0]
    )
    return set(re.findall(r"^ *(\w+) --> (\w+)", diagram, re.MULTILINE))


def steps(events: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return set(pairwise(event["status"] for event in events))


@pytest.mark.usefixtures("backend")
def test_the_documented_diagram_has_exactly_the_possible_transitions():
    async def scenario() -> set[tuple[str, str]]:
        owner = await make_user()
        ends, fails, waits, stops, expires = [await make_task(owner) for _ in range(5)]
        lease = lease_of(await claim(ends))
        await apply(transitions.record_progress, lease, 0.5)
        await apply(transitions.complete, lease, RESULT)
        await apply(transitions.fail, lease_of(await claim(fails)), ERROR)
        lease = lease_of(await claim(waits))
        await apply(transitions.retry_later, lease, ERROR, delay_seconds=60)
        await apply(transitions.cancel, waits.id, owner_id=owner)
        lease = lease_of(await claim(stops))
        await apply(transitions.cancel, stops.id, owner_id=owner)
        await apply(transitions.acknowledge_cancel, lease)
        await change(expires.id, queued_deadline=database_now(-1))
        await apply(transitions.expire, expires.id)
        every = (ends, fails, waits, stops, expires)
        return set[tuple[str, str]]().union(*[steps(await history(task.id)) for task in every])

    assert run(scenario()) == documented_steps()


class TaskLives(RuleBasedStateMachine):
    """An owner's tasks, on which workers, the owner and the sweep act in any order."""

    @initialize(runs_at_once=st.integers(1, 2))
    def submit(self, runs_at_once: int) -> None:
        self.runs_at_once = runs_at_once
        run(forget_others())
        self.owner_id = run(make_user())
        self.task_ids = [
            run(make_task(self.owner_id, runs_at_once=runs_at_once, turn_at=database_now(n))).id
            for n in range(3)
        ]
        self.leases: list[Lease] = []
        self.ended: list[UUID] = []

    @rule(data=st.data())
    def redeliver(self, data: st.DataObject) -> None:
        self._note_lease(run(apply(transitions.claim, self._task_id(data), worker_id="w")))

    @rule()
    def ring(self) -> None:
        self._note_lease(run(claiming.begin_next(worker_id="w")))

    @precondition(lambda self: self.leases)
    @rule(data=st.data(), progress=st.floats(0.01, 1))
    def progress(self, data: st.DataObject, progress: float) -> None:
        run(apply(transitions.record_progress, self._lease(data), progress))

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        self._settle(transitions.complete, self._lease(data), RESULT)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        self._settle(transitions.fail, self._lease(data), ERROR)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        self._settle(transitions.retry_later, self._lease(data), ERROR, delay_seconds=0)

    @precondition(lambda self: self.leases)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        self._settle(transitions.release, self._lease(data))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        task_id = self._task_id(data)
        self._note_end(run(apply(transitions.cancel, task_id, owner_id=self.owner_id)))

    @rule(data=st.data(), silent=st.booleans())
    def sweep_leases(self, data: st.DataObject, silent: bool) -> None:
        task_id = self._task_id(data)
        if silent:
            run(change(task_id, lease_expires_at=database_now(-1)))
        self._note_end(run(apply(transitions.lose_lease, task_id)))

    @rule(data=st.data(), overdue=st.booleans())
    def sweep_waiting(self, data: st.DataObject, overdue: bool) -> None:
        task_id = self._task_id(data)
        if overdue:
            run(change(task_id, queued_deadline=database_now(-1)))
        self._note_end(run(apply(transitions.expire, task_id)))

    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        task = run(read(self._task_id(data)))
        run(apply(transitions.mark_published, {task.id: task.sequence}))

    @invariant()
    def history_holds(self) -> None:
        tasks, events_of = run(self._everything())
        for task in tasks:
            events = events_of[task.id]
            assert [event["sequence"] for event in events] == list(range(1, task.sequence + 1))
            assert [event["terminal"] for event in events[:-1]] == [False] * (len(events) - 1)
            assert events[-1]["status"] == task.status
            assert steps(events) <= documented_steps()
            assert self.ended.count(task.id) == task.status.terminal
            assert 0 <= task.attempt <= task.max_attempts
            assert task.published_sequence <= task.sequence
            assert (task.lease_token is not None) == (task.status == TaskStatus.PROCESSING)
        running = [task for task in tasks if task.status == TaskStatus.PROCESSING]
        assert len(running) <= self.runs_at_once

    async def _everything(self) -> tuple[Sequence[Task], dict[UUID, list[dict[str, Any]]]]:
        events_of = defaultdict(list)
        async with transaction(writing=False) as session:
            tasks = (await session.scalars(select(Task))).all()
            for event in await session.scalars(select(TaskEvent).order_by(TaskEvent.sequence)):
                events_of[event.task_id].append(event.payload)
        return tasks, events_of

    def _task_id(self, data: st.DataObject) -> UUID:
        return data.draw(st.sampled_from(self.task_ids))

    def _lease(self, data: st.DataObject) -> Lease:
        return data.draw(st.sampled_from(self.leases[::-1]))

    def _note_lease(self, task: Task | None) -> None:
        if task is not None:
            self.leases.append(lease_of(task))

    def _settle(self, transition: Any, lease: Lease, *arguments: Any, **options: Any) -> None:
        """Settle as a worker does whose task may have been cancelled meanwhile."""
        ended = run(apply(transition, lease, *arguments, **options))
        self._note_end(ended or run(apply(transitions.acknowledge_cancel, lease)))

    def _note_end(self, task: Task | None) -> None:
        if task is not None and task.status.terminal:
            self.ended.append(task.id)


@pytest.mark.usefixtures("application")
@pytest.mark.stream_case(74)
def test_the_history_stays_consistent_in_any_order_of_events():
    run_machine(
        TaskLives,
        settings=settings(
            max_examples=40,
            stateful_step_count=25,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
