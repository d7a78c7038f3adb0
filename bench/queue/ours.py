"""Our worker and its tasks."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from time import perf_counter
from uuid import UUID

from dramatiq import Broker, Message
from sqlalchemy import delete, func, select

from bench.queue.servers import Servers
from bench.servers import BIN, server
from bench.transactions import make_task
from shared.clients import redis_client
from shared.database import engine, transaction
from shared.models.task import Task
from shared.models.task_status import TaskStatus
from shared.queues import brokers
from shared.queues.doorbells import GENERATE
from shared.singletons import forget_singletons
from tests.conftest import ROOT
from tests.tasks import make_user

PROCESSES = 2
POLL_SECONDS = 0.02
OWNERS = 8


class Tasks:
    """Makes tasks as a POST leaves them, and has a worker run them."""

    def __init__(self, doorbells: Broker, worker_pid: int) -> None:
        self.worker_pid = worker_pid
        self._doorbells = doorbells
        self._ended = 0

    async def __call__(self, number: int) -> float:
        """Tasks a second, from the first doorbell to the last end."""
        ids = await make_tasks(number)
        self._ended += number
        began = perf_counter()
        for task_id in ids:
            self._doorbells.enqueue(Message(GENERATE, GENERATE, (), {"task_id": str(task_id)}, {}))
        while await completed() < self._ended:
            await asyncio.sleep(POLL_SECONDS)
        return number / (perf_counter() - began)


@asynccontextmanager
async def working(
    given: Servers,
    database_url: str,
    concurrency: int,
    *,
    processes: int = PROCESSES,
    **variables: str,
) -> AsyncIterator[Tasks]:
    """A worker, and tasks for it in this database."""
    variables = {
        "DATABASE_URL": database_url,
        "REDIS_URL": f"{given.redis}/0",
        "QUEUE_URL": f"{given.redis}/1",
        "RESULTS_BUCKET": "results",
        "AWS_ENDPOINT_URL": given.storage,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": "us-east-1",
        "GENERATOR_URL": "python:bench.generators:nothing",
        "GENERATE_CONCURRENCY": str(concurrency),
        **variables,
    }
    before = dict(os.environ)
    os.environ.update(variables)
    forget_singletons()
    migrate = (sys.executable, "-m", "alembic", "upgrade", "head")
    subprocess.run(migrate, cwd=ROOT, check=True, capture_output=True)
    worker = (str(BIN / "dramatiq"), "local.worker:generate", "--processes", str(processes))
    try:
        async with transaction() as session:
            await session.execute(delete(Task))
        doorbells = brokers.redis_broker(variables["QUEUE_URL"])
        with closing(doorbells), server(*worker, folder=ROOT, quiet=True) as process:
            yield Tasks(doorbells, process.pid)
    finally:
        await redis_client.client().aclose()
        await engine().dispose()
        os.environ.clear()
        os.environ.update(before)
        forget_singletons()


async def make_tasks(number: int) -> Sequence[UUID]:
    """Tasks of several owners whose doorbells count as rung, so that no sweep is missed."""
    owners = [await make_user() for _ in range(OWNERS)]
    return [await make_task(owners[place % OWNERS], runs_at_once=1000) for place in range(number)]


async def completed_at_first() -> int:
    """Tasks that were completed by the worker that began them: no lease was lost."""
    query = select(func.count()).where(Task.status == TaskStatus.COMPLETED, Task.attempt == 1)
    async with transaction(writing=False) as session:
        return await session.scalar(query) or 0


async def completed() -> int:
    query = select(func.count()).where(Task.status == TaskStatus.COMPLETED)
    async with transaction(writing=False) as session:
        return await session.scalar(query) or 0
