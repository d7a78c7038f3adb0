import logging

from sqlalchemy.exc import SQLAlchemyError

from shared.database import connection
from shared.engine import transitions
from shared.errors import Unavailable
from shared.models.task import Task
from shared.queues.doorbells import QueueUnavailable
from shared.queues.registry import queue

logger = logging.getLogger(__name__)


async def dispatch(task: Task, *, delay_seconds: float = 0) -> bool:
    """Ring for a queued task, after its commit. Returns whether the broker took the message.

    A failure is only logged: the message is still in the outbox, and the sweep sends it.
    """
    if not await ring(task, delay_seconds=delay_seconds):
        return False
    try:
        async with connection() as asked:
            await transitions.mark_dispatched(asked, task.id, task.sequence)
    except (SQLAlchemyError, Unavailable) as error:
        _log(task, error)
        return False
    return True


async def ring(task: Task, *, delay_seconds: float = 0) -> bool:
    """As `dispatch`, but it remains to be noted that the doorbell rang."""
    try:
        await queue().ring_generate(task.id, delay_seconds=delay_seconds)
    except QueueUnavailable as error:
        _log(task, error)
        return False
    return True


def _log(task: Task, error: Exception) -> None:
    logger.warning(
        "A task was not dispatched",
        extra={"task_id": str(task.id), "request_id": task.request_id, "error": str(error)},
    )
