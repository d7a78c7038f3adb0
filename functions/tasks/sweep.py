from typing import Any

import dramatiq
from dramatiq import Message

from shared import settings
from shared.process.entry_point import entry_point
from shared.process.event_loop import run
from shared.queues.doorbells import SWEEP
from shared.queues.registry import queue
from shared.queues.sqs_records import for_each_record
from shared.services.sweeping import sweep


def register(broker: dramatiq.Broker) -> None:
    """Make a worker with this broker sweep."""

    @dramatiq.actor(broker=broker, actor_name=SWEEP, queue_name=SWEEP)
    def _sweep() -> None:
        run(sweep())


@entry_point
def handler(event: dict[str, Any], context: Any) -> dict[str, Any] | None:
    """Sweep once for each message of the queue; for the schedule's event, start the sweeps of a
    minute."""
    if "Records" in event:
        return run(for_each_record(event, _sweep_for, queue_name=SWEEP))
    run(sweep_all_minute())
    return None


async def _sweep_for(_message: Message[Any]) -> None:
    await sweep()


async def sweep_all_minute() -> None:
    """A schedule runs once a minute at most, so each run also sends the delayed sweeps of its
    minute."""
    delays = settings.tasks().sweep_delays_seconds
    for delay in delays:
        if delay > 0:
            await queue().send_sweep(delay)
    if 0 in delays:
        await sweep()
