"""What one would use instead. procrastinate is installed into a cache folder, with its own venv."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, Final

import asyncpg
from dramatiq import Message
from redis import Redis

from bench.queue.ours import POLL_SECONDS, PROCESSES
from bench.queue.servers import Servers
from bench.servers import BIN, server
from shared.queues import brokers
from tests.conftest import ROOT

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "lampwork-bench"
PACKAGE: Final = "procrastinate>=3,<4"
HERE: Final = Path(__file__).parent

Run = Callable[[int], Coroutine[Any, Any, float]]


@asynccontextmanager
async def procrastinate(given: Servers, concurrency: int) -> AsyncIterator[Run]:
    """procrastinate in a database of its own on the same PostgreSQL, told of jobs by NOTIFY."""
    programs = _install() / "bin"
    name = f"procrastinate_{concurrency}"
    address = given.postgresql.replace("+asyncpg", "")
    admin = await asyncpg.connect(f"{address}/postgres")
    await admin.execute(f"CREATE DATABASE {name}")
    await admin.close()
    environment = {"JOBS_DATABASE": f"{address}/{name}", "PYTHONPATH": "."}
    command = (str(programs / "procrastinate"), "--app", "procrastinate_app.app")
    subprocess.run(
        [*command, "schema", "--apply"],
        cwd=HERE,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
    )
    database = await asyncpg.connect(f"{address}/{name}")

    worker = (*command, "worker", "--concurrency", str(concurrency))
    with (
        server(*worker, folder=HERE, environment=environment, quiet=True),
        server(*worker, folder=HERE, environment=environment, quiet=True),
        subprocess.Popen(
            (str(programs / "python"), "procrastinate_app.py"),
            cwd=HERE,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            text=True,
        ) as deferring,
    ):
        assert deferring.stdin

        async def run(number: int) -> float:
            before = await _succeeded(database)
            began = perf_counter()
            print(number, file=deferring.stdin, flush=True)
            while await _succeeded(database) - before < number:
                await asyncio.sleep(POLL_SECONDS)
            return number / (perf_counter() - began)

        yield run
        deferring.stdin.close()
    await database.close()


@asynccontextmanager
async def dramatiq(given: Servers, concurrency: int) -> AsyncIterator[Run]:
    """Dramatiq over the same Redis, without a database."""
    environment = {"JOBS_REDIS": f"{given.redis}/2"}
    command = (str(BIN / "dramatiq"), "bench.queue.dramatiq_app")
    options = ("--processes", str(PROCESSES), "--threads", str(concurrency))
    client = Redis.from_url(environment["JOBS_REDIS"])
    sending = brokers.redis_broker(environment["JOBS_REDIS"])

    async def run(number: int) -> float:
        before = int(client.get("done") or 0)
        began = perf_counter()
        for _ in range(number):
            sending.enqueue(Message("jobs", "nothing", (), {}, {}))
        while int(client.get("done") or 0) - before < number:
            await asyncio.sleep(POLL_SECONDS)
        return number / (perf_counter() - began)

    with server(*command, *options, folder=ROOT, environment=environment, quiet=True):
        yield run
    sending.close()
    client.close()


def _install() -> Path:
    folder = CACHE / "procrastinate"
    if not (folder / "bin" / "procrastinate").exists():
        print("Installing procrastinate (once) ...")
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", PACKAGE)
        subprocess.run(pip, check=True)
    return folder


async def _succeeded(database: Any) -> int:
    found: int = await database.fetchval(
        "SELECT count(*) FROM procrastinate_jobs WHERE status = 'succeeded'"
    )
    return found
