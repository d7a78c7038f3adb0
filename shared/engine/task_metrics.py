"""What is measured of a task's life, recorded after the commit of each transition. All times come
from the database's clock."""

from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.process import metrics


def submitted() -> None:
    metrics.record(metrics.TASKS_SUBMITTED)


def started(task: Task) -> None:
    """A task that was claimed just now."""
    wait = (task.updated_at - task.next_attempt_at).total_seconds()
    metrics.record(metrics.TASKS_STARTED)
    metrics.record(metrics.TASK_QUEUE_WAIT, max(wait, 0.0))


def attempt_ended(claimed: Task, task: Task | None) -> None:
    """An attempt that began with `claimed`. `task` is None if its lease was lost; then the time of
    its end is unknown."""
    if task is None:
        return
    duration = (task.updated_at - claimed.updated_at).total_seconds()
    outcome = task.status.value if task.status.terminal else "requeued"
    metrics.record(metrics.TASK_RUN_DURATION, duration, Outcome=outcome)
    finished(task)


def finished(task: Task) -> None:
    """A task after a transition that may have been its last."""
    if task.status.terminal:
        metrics.record(metrics.TASKS_FINISHED, Status=task.status.value)
        metrics.record(metrics.TASK_ATTEMPTS, task.attempt)
    if task.status is TaskStatus.COMPLETED:
        took = (task.updated_at - task.created_at).total_seconds()
        metrics.record(metrics.TIME_TO_PICTURE, max(took, 0.0))
