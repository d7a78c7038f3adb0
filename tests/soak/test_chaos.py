"""Real processes are killed and frozen; every accepted task and every watcher is counted.

`SOAK_ROUNDS` rounds each (20 unless set), in each of which four tasks live through one fault.
"""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis

from shared.stream.reader import Database
from shared.stream.readers.postgresql import PostgresqlDatabase
from shared.stream.readers.sqlite import SqliteDatabase
from tests.e2e.product import Process, Product, kill, processes_of, running, sign_up, start
from tests.services import postgresql_server, rabbitmq_server
from tests.soak.ledger import Ledger

pytestmark = pytest.mark.soak

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "20"))
TASKS = 4
TASK_SECONDS = 2
LEASE_SECONDS = 2
SWEEP_SECONDS = 5
AWAY_SECONDS = 30
SETTINGS = {
    "GENERATOR_URL": "python:tests.slow_generator:from_url",
    "TASK_LEASE_SECONDS": str(LEASE_SECONDS),
    "TASK_MAX_ATTEMPTS": "10",
    "TASK_REDISPATCH_SECONDS": "5",
    "AUTH_ACCESS_TTL_SECONDS": "7200",
    "WS_HEARTBEAT_SECONDS": "5",
}

Fault = Callable[[], Awaitable[None]]


async def live_through(fault: Fault, product: Product, database: Database, name: str) -> None:
    """Rounds of tasks with one fault each; prints what was counted, fails if anything is wrong."""
    with sign_up(product) as person:
        ledger = Ledger(person)
        try:
            for _ in range(ROUNDS):
                lives = [ledger.life(TASK_SECONDS, start_within=TASK_SECONDS) for _ in range(TASKS)]
                *entries, _none = await asyncio.gather(*lives, at_some_moment(fault))
                await ledger.close_round([entry for entry in entries if entry], database)
        finally:
            await database.close()
            print(f"\n{name}: {ledger.tally}")
    assert ledger.tally.wrong == {}
    assert ledger.tally.rounds == ROUNDS


async def at_some_moment(fault: Fault) -> None:
    await asyncio.sleep(random.uniform(0.5, 2 * TASK_SECONDS))
    await fault()


def sqlite_of(product: Product) -> Database:
    return SqliteDatabase(f"sqlite+aiosqlite:///{product.data}/lampwork.db")


def named(product: Product, part: str) -> list[Process]:
    """The product's processes whose command contains `part`."""
    return [each for each in processes_of(product) if part in each.command]


def service(product: Product, name: str) -> int:
    """The pid of an embedded service."""
    return int((product.data / "run" / f"{name}.pid").read_text().split()[0])


def redis_address(product: Product) -> str:
    """The address of Redis, without a database number."""
    command = Path(f"/proc/{service(product, 'redis')}/cmdline").read_text()
    return f"redis://{command.rstrip(chr(0)).split()[-1]}"


def worker(product: Product, name: str) -> int:
    return next(process.pid for process in named(product, f"local.worker:{name}"))


@pytest.mark.parametrize("victim", ["generate", "deliver"])
@pytest.mark.stream_case(31, 33)
async def test_killed_workers_lose_nothing(victim, tmp_path):
    with running(tmp_path / "data", environment=SETTINGS) as product:

        async def fault() -> None:
            with suppress(StopIteration, ProcessLookupError):  # it may just be restarting
                kill(worker(product, victim))

        await live_through(fault, product, sqlite_of(product), f"kill -9 {victim}")


@pytest.mark.stream_case(34)
async def test_frozen_workers_lose_and_repeat_nothing(tmp_path):
    with running(tmp_path / "data", environment=SETTINGS) as product:

        async def fault() -> None:
            frozen = worker(product, "generate")
            os.kill(frozen, signal.SIGSTOP)
            await asyncio.sleep(LEASE_SECONDS + SWEEP_SECONDS + random.uniform(0, 1))
            os.kill(frozen, signal.SIGCONT)

        await live_through(fault, product, sqlite_of(product), "SIGSTOP generate, SIGCONT")


@pytest.mark.stream_case(18)
async def test_cut_redis_connections_lose_nothing(tmp_path):
    with running(tmp_path / "data", environment=SETTINGS) as product:

        async def fault() -> None:
            async with Redis.from_url(redis_address(product)) as redis:
                for kind in ("normal", "pubsub"):
                    await redis.client_kill_filter(_type=kind, skipme=True)

        await live_through(fault, product, sqlite_of(product), "CLIENT KILL")


@pytest.mark.stream_case(19)
async def test_a_redis_that_does_not_answer_for_half_a_minute_loses_nothing(tmp_path):
    with running(tmp_path / "data", environment=SETTINGS) as product:

        async def fault() -> None:
            server = service(product, "redis")
            os.kill(server, signal.SIGSTOP)
            await asyncio.sleep(AWAY_SECONDS)
            os.kill(server, signal.SIGCONT)

        await live_through(fault, product, sqlite_of(product), "SIGSTOP Redis for 30 s")


@pytest.mark.stream_case(49)
async def test_no_task_is_lost_when_a_broker_loses_fifty_messages(tmp_path):
    with running(tmp_path / "data", environment=SETTINGS) as product, sign_up(product) as person:
        ledger, database = Ledger(person), sqlite_of(product)
        lives = [asyncio.create_task(ledger.life(1, start_within=1)) for _ in range(50)]
        await asyncio.sleep(4)

        async with Redis.from_url(f"{redis_address(product)}/1") as redis:
            await redis.flushdb()

        await ledger.close_round(await asyncio.gather(*lives), database)
        await database.close()
    print(f"\nFLUSHDB: {ledger.tally}")
    assert ledger.tally.wrong == {}


@pytest.mark.stream_case(39)
async def test_a_generator_that_ends_its_process_finally_fails_its_task(tmp_path):
    environment = {**SETTINGS, "TASK_MAX_ATTEMPTS": "2"}
    with running(tmp_path / "data", environment=environment) as product, sign_up(product) as person:
        deadly = await asyncio.to_thread(person.submit, "exit")
        frames = await person.watch(deadly["id"])
        after = await person.watch((await asyncio.to_thread(person.submit, "1"))["id"])

    assert (frames[-1]["status"], frames[-1]["attempt"]) == ("failed", 2)
    assert frames[-1]["error"]["code"] == "worker_lost"
    assert after[-1]["status"] == "completed"


@pytest.mark.parametrize("victim", ["redis", "aws"])
async def test_killed_services_are_restarted_and_nothing_is_lost(victim, tmp_path):
    with running(tmp_path / "data", environment=SETTINGS) as product:

        async def fault() -> None:
            kill(service(product, victim))

        await live_through(fault, product, sqlite_of(product), f"kill -9 {victim}")


async def test_a_restarted_postgresql_loses_nothing(tmp_path, monkeypatch):
    with postgresql_server() as server:
        url = f"{server.address}/postgres"
        monkeypatch.setenv("DATABASE_URL", url)
        with running(tmp_path / "data", environment={**SETTINGS, "DATABASE_URL": url}) as product:

            async def fault() -> None:
                server.stop()
                await asyncio.sleep(random.uniform(0, 2))
                server.start()

            await live_through(fault, product, PostgresqlDatabase(url), "restart PostgreSQL")


async def test_a_restarted_rabbitmq_loses_nothing(tmp_path):
    with rabbitmq_server() as server:
        environment = {**SETTINGS, "QUEUE_URL": server.address}
        with running(tmp_path / "data", environment=environment) as product:

            async def fault() -> None:
                await asyncio.to_thread(server.stop)
                await asyncio.sleep(random.uniform(0, 2))
                await asyncio.to_thread(server.start)

            await live_through(fault, product, sqlite_of(product), "restart RabbitMQ")


@pytest.mark.stream_case(31, 33)
async def test_killed_workers_of_rabbitmq_lose_nothing(tmp_path):
    with rabbitmq_server() as server:
        environment = {**SETTINGS, "QUEUE_URL": server.address}
        with running(tmp_path / "data", environment=environment) as product:

            async def fault() -> None:
                with suppress(StopIteration, ProcessLookupError):  # it may just be starting
                    kill(worker(product, "generate"))

            name = "kill -9 generate over RabbitMQ"
            await live_through(fault, product, sqlite_of(product), name)


async def test_a_killed_product_continues_where_it_stopped(tmp_path):
    with running(tmp_path / "data", environment=SETTINGS) as product:

        async def fault() -> None:
            kill(product.process.pid)
            product.process.wait(10)
            again = await asyncio.to_thread(
                start, product.data, environment=SETTINGS, port=product.port
            )
            product.process = again.process

        await live_through(fault, product, sqlite_of(product), "kill -9 lampwork")
