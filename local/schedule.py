"""What EventBridge's schedules start on AWS, in one process of its own: `python -m local.schedule`.

Two of them at once do no harm. Sockets need no tick here: the server looks after its own.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from local import server_metrics
from shared import settings
from shared.errors import SettingsError
from shared.process import metrics
from shared.process.entry_point import prepare
from shared.services.purging import purge
from shared.services.sweeping import sweep
from shared.settings import MetricsFormat

logger = logging.getLogger("schedule")


@dataclass(frozen=True)
class Job:
    """The work of a function with a schedule, and the pause between two runs."""

    function: str
    seconds: float
    work: Callable[[], Awaitable[object]]


JOBS = (
    Job("functions.tasks.sweep", 5, sweep),
    Job("functions.ops.purge", 86400, purge),
)


async def run_all(jobs: tuple[Job, ...] = JOBS) -> None:
    """Run every job again and again until SIGTERM, then let those under way finish."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await asyncio.gather(*(_keep_running(job, stopping) for job in jobs))


async def _keep_running(job: Job, stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        try:
            await job.work()
        except Exception:  # whatever it was, the next run does what this one could not
            logger.exception("A scheduled run failed", extra={"function": job.function})
        metrics.flush()
        with suppress(TimeoutError):
            await asyncio.wait_for(stopping.wait(), job.seconds)


def main() -> int:
    try:
        prepare()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    if settings.metrics().format is MetricsFormat.PROMETHEUS:
        server_metrics.serve_page()
        server_metrics.count_here()
    asyncio.run(run_all())
    return 0


if __name__ == "__main__":
    sys.exit(main())
