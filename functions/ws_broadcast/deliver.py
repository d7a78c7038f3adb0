import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import dramatiq

from shared.process import metrics
from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.queues import sqs_records
from shared.queues.registry import DELIVER
from shared.stream.delivery import deliverer

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]


async def deliver(task_id: UUID) -> None:
    await deliverer().deliver(task_id)


def register(broker: dramatiq.Broker) -> None:
    """Let a worker of this broker deliver. The next tick makes good for a delivery that failed."""

    @dramatiq.actor(broker=broker, actor_name=DELIVER, queue_name=DELIVER)
    def _deliver(task_id: str) -> None:
        run(_try_to_deliver(UUID(task_id)))


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A batch of the queue: one delivery for each task, however often it was rung for."""
    failed = run(_deliver_batch(event["Records"]))
    return {"batchItemFailures": [{"itemIdentifier": id} for id in failed]}


async def _deliver_batch(records: Sequence[Record]) -> list[str]:
    """The ids of the records that failed; SQS delivers them again and then dead-letters them."""
    unreadable: list[str] = []
    records_of: dict[UUID, list[str]] = defaultdict(list)
    for record in records:
        task_id = _task_id(record)
        (unreadable if task_id is None else records_of[task_id]).append(record["messageId"])
    delivered = await asyncio.gather(*map(_try_to_deliver, records_of))
    outcomes = zip(delivered, records_of.values(), strict=True)
    failed = [id for was_delivered, ids in outcomes if not was_delivered for id in ids]
    for reason, rejected in (("unreadable", unreadable), ("failed", failed)):
        if rejected:
            metrics.record(metrics.MESSAGES_REJECTED, len(rejected), Queue=DELIVER, Reason=reason)
    return unreadable + failed


def _task_id(record: Record) -> UUID | None:
    try:
        return UUID(sqs_records.read(record).kwargs["task_id"])
    except (sqs_records.UndecodableRecord, AttributeError, LookupError, TypeError, ValueError):
        logger.exception("A wake-up cannot be read", extra={"message_id": record["messageId"]})
        return None


async def _try_to_deliver(task_id: UUID) -> bool:
    try:
        await deliver(task_id)
    except Exception:  # whatever it was, another delivery makes good for it
        logger.exception("A delivery failed", extra={"task_id": str(task_id)})
        return False
    return True
