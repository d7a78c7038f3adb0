import logging
from typing import Any

import dramatiq

from shared import settings
from shared.entry import entry
from shared.loop import run
from shared.queue import TICK, queue
from shared.services.upkeep import upkeep

logger = logging.getLogger(__name__)


async def tick() -> None:
    await upkeep().run()


def register(broker: dramatiq.Broker) -> None:
    """Let a worker of this broker tick."""

    @dramatiq.actor(broker=broker, actor_name=TICK, queue_name=TICK)
    def _tick() -> None:
        try:
            run(tick())
        except Exception:  # the next tick does what this one could not
            logger.exception("A tick failed")


@entry
def handler(event: dict[str, Any], context: Any) -> None:
    """The minute's schedule spreads ticks over the minute; a message of the queue is one tick."""
    run(tick() if "Records" in event else _spread())


async def _spread() -> None:
    for seconds in settings.websocket().tick_delays_seconds:
        await queue().send_tick(float(seconds))
