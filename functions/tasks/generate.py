import asyncio
import logging
import os
import platform
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import dramatiq

from shared.engine.execution import execute_next
from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.queues.doorbells import GENERATE
from shared.queues.sqs_records import for_each_record

logger = logging.getLogger(__name__)


async def generate(doorbell: Mapping[str, str], stopping: asyncio.Event | None = None) -> None:
    """Run one attempt of the task that is first in line, whichever task the doorbell rang for.

    `stopping` is set when the process must give the task back to the queue.

    Raises:
        ValueError, KeyError: the message names no task.
    """
    rung_for = UUID(doorbell["task_id"])
    logger.debug("A doorbell rang", extra={"task_id": str(rung_for)})
    await execute_next(worker_id=_worker_id(), stopping=stopping)


def register(broker: dramatiq.Broker, *, stopping: asyncio.Event) -> None:
    """Make a worker with this broker run tasks."""

    @dramatiq.actor(broker=broker, actor_name=GENERATE, queue_name=GENERATE)
    def _generate(task_id: str) -> None:
        run(generate({"task_id": task_id}, stopping))


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Run one attempt for each message of the queue."""
    return run(
        for_each_record(event, lambda message: generate(message.kwargs), queue_name=GENERATE)
    )


def _worker_id() -> str:
    return f"{platform.node()}:{os.getpid()}"[-100:]
