import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import dramatiq

from shared import sqs_records
from shared.delivery import deliverer
from shared.entry import entry
from shared.loop import run
from shared.queue import DELIVER

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]


async def deliver(task_id: UUID) -> None:
    await deliverer().deliver(task_id)


def register(broker: dramatiq.Broker) -> None:
    """Let a worker of this broker deliver."""

    @dramatiq.actor(broker=broker, actor_name=DELIVER, queue_name=DELIVER)
    def _deliver(task_id: str) -> None:
        try:
            run(deliver(UUID(task_id)))
        except Exception:  # a wake-up is not worth keeping: the next tick makes good for it
            logger.exception("A delivery failed", extra={"task_id": task_id})


@entry
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of the FIFO queue, whose groups are the tasks."""
    return run(_deliver_batch(event["Records"]))


async def _deliver_batch(records: Sequence[Record]) -> dict[str, Any]:
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        groups[record["attributes"]["MessageGroupId"]].append(record)
    failed = await asyncio.gather(*(_deliver_group(group) for group in groups.values()))
    return {"batchItemFailures": [{"itemIdentifier": id} for ids in failed for id in ids]}


async def _deliver_group(records: Sequence[Record]) -> list[str]:
    """The ids of the records that failed: with one, all after it, for a group keeps its order."""
    ids = [record["messageId"] for record in records]
    for number, record in enumerate(records):
        try:
            await deliver(UUID(sqs_records.read(record).kwargs["task_id"]))
        except Exception:  # whatever it was, SQS delivers it again and then dead-letters it
            logger.exception("A delivery failed", extra={"message_id": ids[number]})
            return ids[number:]
    return []
