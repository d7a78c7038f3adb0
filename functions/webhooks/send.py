from typing import Any

from dramatiq import Message

from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.queues.doorbells import WEBHOOKS
from shared.queues.sqs_records import for_each_record
from shared.services.webhook_sending import send_due


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send once for each message of the queue."""
    return run(for_each_record(event, _send_for, queue_name=WEBHOOKS))


async def _send_for(_message: Message[Any]) -> None:
    await send_due()
