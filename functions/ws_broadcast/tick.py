import logging
from typing import Any
from uuid import UUID

import dramatiq
from dramatiq import Message

from shared import settings
from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.queues.doorbells import TICK
from shared.queues.registry import queue
from shared.queues.sqs_records import for_each_record, uuid_argument
from shared.stream.upkeep import upkeep

logger = logging.getLogger(__name__)


async def tick(user_id: UUID | None = None) -> None:
    """Run the upkeep of all open sockets, or close those of one user that may not stay open."""
    if user_id is None:
        await upkeep().run()
    else:
        await upkeep().review(user_id)


def register(broker: dramatiq.Broker) -> None:
    """Make a worker with this broker tick."""

    @dramatiq.actor(broker=broker, actor_name=TICK, queue_name=TICK)
    def _tick(user_id: str | None = None) -> None:
        id = None if user_id is None else UUID(user_id)
        try:
            run(tick(id))
        except Exception:  # the next tick does what this one could not
            logger.exception("A tick failed")


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Tick once for each message of the queue; for the schedule's event, start the ticks of a
    minute."""
    if "Records" in event:
        return run(for_each_record(event, _tick_for, queue_name=TICK))
    run(_tick_all_minute())
    return None


async def _tick_for(message: Message[Any]) -> None:
    about_one = message.kwargs.get("user_id") is not None
    await tick(uuid_argument(message, "user_id") if about_one else None)


async def _tick_all_minute() -> None:
    for seconds in settings.websocket().tick_delays_seconds:
        await queue().send_tick(seconds)
