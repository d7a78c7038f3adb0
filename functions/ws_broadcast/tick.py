import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import dramatiq

from shared import settings
from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.queues import sqs_records
from shared.queues.registry import TICK, queue
from shared.stream.upkeep import upkeep

logger = logging.getLogger(__name__)


async def tick(user_id: UUID | None = None) -> None:
    """Look after all open sockets, or see which of one user's may not stay open."""
    if user_id is None:
        await upkeep().run()
    else:
        await upkeep().review(user_id)


def register(broker: dramatiq.Broker) -> None:
    """Let a worker of this broker tick."""

    @dramatiq.actor(broker=broker, actor_name=TICK, queue_name=TICK)
    def _tick(user_id: str | None = None) -> None:
        id = _user_id(user_id)
        try:
            run(tick(id))
        except Exception:  # the next tick does what this one could not
            logger.exception("A tick failed")


@entry_point
def handler(event: dict[str, Any], context: Any) -> None:
    """The minute's schedule spreads ticks over the minute; a message of the queue is one tick."""
    run(_tick_for_each(event["Records"]) if "Records" in event else _spread())


async def _tick_for_each(records: Sequence[Mapping[str, Any]]) -> None:
    for record in records:
        await tick(_user_id(sqs_records.read(record).kwargs.get("user_id")))


async def _spread() -> None:
    for seconds in settings.websocket().tick_delays_seconds:
        await queue().send_tick(float(seconds))


def _user_id(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
