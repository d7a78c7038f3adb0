"""What is recorded of tasks, sweeps and sockets while the real code does its work."""

import pytest

from shared.database import transaction
from shared.engine.execution import execute_next
from shared.models.base import database_now
from shared.process import metrics
from shared.process.event_loop import run
from shared.repositories import sweeping
from shared.services.sweeping import sweep
from shared.services.tasks import TaskService
from tests.recorded import recording
from tests.tasks import change, claim, make_task

pytestmark = pytest.mark.usefixtures("backend")


def test_a_task_is_measured_from_its_queue_to_its_end():
    task = run(make_task())
    run(change(task.id, next_attempt_at=database_now(-5)))

    with recording() as records:
        run(execute_next(worker_id="worker"))

    assert records.sum(metrics.TASKS_STARTED) == 1
    assert 5 <= records.sum(metrics.TASK_QUEUE_WAIT) < 30
    assert records.all(metrics.TASKS_FINISHED) == {("completed",): 1}
    assert records.sum(metrics.TASK_ATTEMPTS) == 1
    assert 0 < records.sum(metrics.TASK_RUN_DURATION, "completed") < 30
    assert len(records.values(metrics.TIME_TO_PICTURE)) == 1


def test_a_sweep_records_what_it_repaired_and_what_is_left():
    lost, overdue, waiting = (run(make_task()) for _ in range(3))
    run(claim(lost))
    run(change(lost.id, lease_expires_at=database_now(-1), attempt=3, max_attempts=3))
    run(change(overdue.id, queued_deadline=database_now(-1)))
    run(change(waiting.id, next_attempt_at=database_now(-60)))

    with recording() as records:
        run(sweep())

    repairs = {label: number for (label,), number in records.all(metrics.SWEEP_REPAIRS).items()}
    assert repairs["lost_lease"] == repairs["expired"] == 1
    assert repairs["dispatched"] >= 1
    assert records.all(metrics.TASKS_FINISHED) == {("failed",): 1, ("expired",): 1}
    assert records.sum(metrics.SWEEPS) == 1
    assert records.sum(metrics.QUEUED_TASKS) == 1
    assert 60 <= records.sum(metrics.OLDEST_QUEUED_AGE) < 90
    assert records.sum(metrics.UNDISPATCHED_MESSAGES) == 0


@pytest.mark.parametrize("database", ["backend", "postgresql_backend"])
def test_tasks_that_no_sweep_could_repair_are_recorded(request, database):
    request.getfixturevalue(database)

    async def look():
        async with transaction(writing=False) as session:
            return await sweeping.backlog(session, stuck_seconds=60)

    before = run(look())
    stuck = run(make_task())
    run(claim(stuck))
    run(change(stuck.id, lease_expires_at=database_now(-90)))
    run(make_task())
    run(change(run(make_task()).id, next_attempt_at=database_now(60)))

    after = run(look())

    assert after.stuck - before.stuck == 1
    assert after.processing - before.processing == 1
    assert after.queued - before.queued == 2
    assert after.undispatched - before.undispatched == 3
    assert 0 <= after.oldest_queued_seconds < 60 or database == "postgresql_backend"


def test_a_cancelled_task_is_counted_once():
    task = run(make_task())

    with recording() as records:
        run(TaskService(task.user_id).cancel(task.id))
        run(TaskService(task.user_id).cancel(task.id))

    assert records.all(metrics.TASKS_FINISHED) == {("cancelled",): 1}
