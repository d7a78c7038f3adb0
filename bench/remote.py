"""Hundreds of tasks whose pictures another machine makes, in one worker process on PostgreSQL.

Each waits for a local endpoint that takes ten seconds. As many wait at once as GENERATE_CONCURRENCY
allows by default.
"""

import asyncio
from pathlib import Path

from bench.queue import ours
from bench.queue.servers import servers
from bench.report import Goal
from shared.generators.concurrency import REMOTE_AT_ONCE
from tests.emulator.lampwork_process import family
from tests.providers import Asked, answers, base64_text, providing
from tests.tasks import blank_png

TASKS = 500
SECONDS = 10.0
LONGER = 1.15
MEGABYTES = 150


async def measure() -> list[Goal]:
    picture = {"data": [{"b64_json": base64_text(blank_png())}]}
    waiting = most = 0
    seconds = 0.0

    async def slow(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal waiting, most
        waiting += 1
        most = max(most, waiting)
        try:
            await asyncio.sleep(seconds)
        finally:
            waiting -= 1
        await answers(200, picture)(asked, writer)

    with servers() as given:
        async with (
            providing(slow) as provider,
            ours.working(
                given,
                given.postgresql_url,
                REMOTE_AT_ONCE,
                processes=1,
                GENERATOR_URL=f"openai+{provider.origin}/v1",
            ) as run,
        ):
            await run(1)  # the worker has started
            seconds = SECONDS
            took = TASKS / await run(TASKS)
            megabytes = max(map(_peak_megabytes, family(run.worker_pid)))
            lost = TASKS + 1 - await ours.completed_at_first()
    arithmetic = SECONDS * TASKS / REMOTE_AT_ONCE
    return [
        Goal.at_most("time of all, beside the arithmetic", LONGER, took / arithmetic),
        Goal.at_most("requests that waited at once", REMOTE_AT_ONCE, most),
        Goal.at_most("memory of the process, RSS MB", MEGABYTES, megabytes),
        Goal.at_most("leases lost", 0, lost),
    ]


def _peak_megabytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024
