"""The emulator's WebSocket API: connect, echo, and one message to many."""

import asyncio
import http.client
import json
from contextlib import AsyncExitStack
from statistics import median
from time import perf_counter
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect

from bench.load import first
from bench.product import open_many
from bench.report import Goal
from bench.servers import SAMPLE, lampwork

FOLDER = SAMPLE.with_name("sockets")
ROUNDS = 9
ECHOES = 500
CONNECTS = 50
MANY = 100
SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=bench"}


async def measure() -> list[Goal]:
    with lampwork(folder=FOLDER) as served:
        await first(served.port, "/", any_status=True)
        address = f"ws://localhost:{served.port}/dev"
        connecting = await _connects(address)
        echo = await _echoes(address)
        async with AsyncExitStack() as opened:
            sockets = await open_many(
                opened, lambda: connect(address, compression=None), number=MANY
            )
            ids = [await _id(socket) for socket in sockets]
            broadcast = median([await _broadcast(sockets, ids) for _ in range(ROUNDS)])
            posts = median([await _posts(served.port, sockets, ids) for _ in range(ROUNDS)])
    return [
        Goal.at_most("WebSocket connect, p50 ms", 1.5, connecting),
        Goal.at_most("… echo by route response, p50 ms", 0.6, echo),
        Goal.at_most(f"one message to {MANY}, boto3 in the handler, ms", 75, broadcast),
        Goal.at_most(f"{MANY} direct posts, ms", 15, posts),
    ]


async def _connects(address: str) -> float:
    times = []
    for _ in range(CONNECTS):
        began = perf_counter()
        async with connect(address, compression=None):
            times.append((perf_counter() - began) * 1000)
    return median(times)


async def _echoes(address: str) -> float:
    times = []
    async with connect(address, compression=None) as socket:
        for _ in range(ECHOES):
            began = perf_counter()
            await _id(socket)
            times.append((perf_counter() - began) * 1000)
    return median(times)


async def _id(socket: ClientConnection) -> str:
    """The connection's id, which the function answers with."""
    await socket.send('{"action": "echo"}')
    return str(await socket.recv())


async def _broadcast(sockets: list[ClientConnection], ids: list[str]) -> float:
    began = perf_counter()
    await sockets[0].send(json.dumps({"action": "all", "to": ids}))
    await asyncio.gather(*(socket.recv() for socket in sockets))
    return (perf_counter() - began) * 1000


async def _posts(port: int, sockets: list[ClientConnection], ids: list[str]) -> float:
    began = perf_counter()
    await asyncio.gather(
        asyncio.to_thread(_post_all, port, ids), *(socket.recv() for socket in sockets)
    )
    return (perf_counter() - began) * 1000


def _post_all(port: int, ids: list[str]) -> None:
    client = http.client.HTTPConnection("localhost", port)
    for connection_id in ids:
        path = f"/dev/@connections/{quote(connection_id, safe='')}"
        client.request("POST", path, b"news", SIGNED)
        client.getresponse().read()
    client.close()
