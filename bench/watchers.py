"""A thousand watchers of one task: the time to an update's last frame, and idle memory. Native
sockets are those of `functions.asgi`."""

import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import perf_counter
from uuid import UUID

from websockets.asyncio.client import ClientConnection, connect

from bench.product import act_as_a_worker_of, open_many, private_kilobytes, until_open
from bench.report import Goal
from bench.servers import free_port, server
from shared.database import transaction
from shared.engine import transitions
from shared.engine.broadcast import broadcaster
from shared.engine.transitions import Lease
from shared.models.task import Task
from tests.conftest import ROOT
from tests.e2e.product import Person, Product, running, sign_up
from tests.e2e.server import server as server_beside
from tests.tasks import claim, lease_of, make_task

WATCHERS = 1000
ROUNDS = 5
MOST_OF_BROADCAST = 2.5
SETTINGS = {"WS_SOCKETS_PER_TASK": "2000", "WS_SOCKETS_PER_USER": "2000"}


async def measure() -> list[Goal]:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder) / "data", environment=SETTINGS) as product,
        sign_up(product) as person,
    ):
        act_as_a_worker_of(product, TASK_LEASE_SECONDS="3600")
        times, kilobytes, text = await _product(product, person)
        with server_beside(product, workers=1) as served:
            native, native_kilobytes, _ = await _product(served, replace(person, product=served))
    bare, bare_kilobytes = await _broadcaster_alone(text)
    return [
        Goal.without_limit(
            f"update to the last of {WATCHERS} frames, ms",
            times,
            {"websockets broadcast": bare, "one ASGI server": native},
        ),
        Goal.at_most("… of the broadcast", MOST_OF_BROADCAST, times / bare),
        Goal.without_limit(
            "an idle watcher, kB of the server",
            kilobytes,
            {"websockets broadcast": bare_kilobytes, "one ASGI server": native_kilobytes},
        ),
    ]


async def _product(product: Product, person: Person) -> tuple[float, float, str]:
    task = await make_task(UUID(person.user_id))
    lease = lease_of(await claim(task))
    async with AsyncExitStack() as opened:
        before = private_kilobytes(product.process.pid)
        sockets = await open_many(
            opened, lambda: person.socket(str(task.id), compression=None), number=WATCHERS
        )
        firsts = await asyncio.gather(*(socket.recv() for socket in sockets))
        idle = (private_kilobytes(product.process.pid) - before) / WATCHERS
        times = [await _update(lease, sockets, step / ROUNDS / 2) for step in range(1, ROUNDS + 1)]
    return median(times), idle, str(firsts[0])


async def _update(lease: Lease, sockets: Sequence[ClientConnection], progress: float) -> float:
    """Milliseconds from the commit of one update to the last watcher's frame."""
    last = asyncio.gather(*(_next_update(socket) for socket in sockets))
    async with transaction() as session:
        task: Task | None = await transitions.record_progress(session, lease, progress)
    assert task is not None
    committed = perf_counter()
    await broadcaster().publish(task)
    return (max(await last) - committed) * 1000


async def _next_update(socket: ClientConnection) -> float:
    while json.loads(await socket.recv())["type"] != "update":
        pass
    return perf_counter()


async def _broadcaster_alone(text: str) -> tuple[float, float]:
    port = free_port()
    command = (sys.executable, "-m", "bench.broadcaster", str(port))
    with server(*command, folder=ROOT) as process:
        await until_open(port)
        before = private_kilobytes(process.pid)
        async with AsyncExitStack() as opened:
            address = f"ws://127.0.0.1:{port}"
            sockets = await open_many(
                opened, lambda: connect(address, compression=None), number=WATCHERS
            )
            idle = (private_kilobytes(process.pid) - before) / WATCHERS
            times = [await _broadcast(text, sockets) for _ in range(ROUNDS)]
    return median(times), idle


async def _broadcast(text: str, sockets: Sequence[ClientConnection]) -> float:
    async def received(socket: ClientConnection) -> float:
        json.loads(await socket.recv())
        return perf_counter()

    last = asyncio.gather(*(received(socket) for socket in sockets))
    sent = perf_counter()
    await sockets[0].send(text)
    return (max(await last) - sent) * 1000
