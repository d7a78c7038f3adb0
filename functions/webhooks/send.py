import threading
from typing import Any

import dramatiq
from dramatiq import Message

from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.queues.doorbells import WEBHOOKS
from shared.queues.sqs_records import for_each_record
from shared.services.webhook_sending import send_due

SENDERS = 4


def register(broker: dramatiq.Broker) -> None:
    """Make a worker with this broker send webhooks.

    No more than a few of its threads do so at once, since receivers may be slow and other messages
    wait for a thread. A doorbell that finds them all sending is not needed: whoever sends takes the
    next endpoint by itself, and the sweep rings for what is left.
    """
    places = threading.Semaphore(SENDERS)

    @dramatiq.actor(broker=broker, actor_name=WEBHOOKS, queue_name=WEBHOOKS)
    def _send() -> None:
        if places.acquire(blocking=False):
            try:
                run(send_due())
            finally:
                places.release()


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send once for each message of the queue."""
    return run(for_each_record(event, _send_for, queue_name=WEBHOOKS))


async def _send_for(_message: Message[Any]) -> None:
    await send_due()
