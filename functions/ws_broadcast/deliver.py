import asyncio
import logging
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import dramatiq
from dramatiq import Message

from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.queues.doorbells import DELIVER
from shared.queues.sqs_records import for_each_record, uuid_argument
from shared.stream.delivery import deliverer

logger = logging.getLogger(__name__)


async def deliver(task_id: UUID) -> None:
    await deliverer().deliver(task_id)


def register(broker: dramatiq.Broker) -> None:
    """Make a worker with this broker deliver. The next tick repairs a delivery that failed."""

    @dramatiq.actor(broker=broker, actor_name=DELIVER, queue_name=DELIVER)
    def _deliver(task_id: str) -> None:
        id = UUID(task_id)
        try:
            run(deliver(id))
        except Exception:  # whatever it was, the next tick has the task delivered again
            logger.exception("A delivery failed", extra={"task_id": task_id})


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Deliver once for each task of the batch, however many of its messages the batch holds."""
    return run(_deliver_batch(event))


async def _deliver_batch(event: Mapping[str, Any]) -> dict[str, Any]:
    deliveries: dict[UUID, asyncio.Task[None]] = {}

    async def work(message: Message[Any]) -> None:
        task_id = uuid_argument(message, "task_id")
        if task_id not in deliveries:
            deliveries[task_id] = asyncio.create_task(deliver(task_id))
        await deliveries[task_id]

    return await for_each_record(event, work, queue_name=DELIVER, at_a_time=len(event["Records"]))
