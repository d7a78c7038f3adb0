import asyncio
import logging

from sqlalchemy.exc import SQLAlchemyError

from shared.database import transaction
from shared.engine import transitions
from shared.engine.broadcast import broadcaster
from shared.engine.dispatching import ring
from shared.errors import Unavailable
from shared.models.task import Task

logger = logging.getLogger(__name__)


async def announce(task: Task) -> None:
    """Ring for a new task and tell its watchers, after its commit; one transaction notes both.

    A failure is only logged: the sweep does what is not noted as done.
    """
    rung, told = await asyncio.gather(ring(task), broadcaster().tell(task))
    if not (rung or told):
        return
    try:
        async with transaction() as session:
            if rung and told:
                await transitions.mark_announced(session, task.id, task.sequence)
            elif rung:
                await transitions.mark_dispatched(session, task.id, task.sequence)
            else:
                await transitions.mark_published(session, {task.id: task.sequence})
    except (SQLAlchemyError, Unavailable) as error:
        logger.warning(
            "A task's announcement was not noted",
            extra={"task_id": str(task.id), "request_id": task.request_id, "error": str(error)},
        )
