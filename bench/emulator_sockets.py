"""The emulator's WebSocket API: connect, echo, and one message to many."""

import json
import socket
from contextlib import ExitStack
from statistics import median
from time import perf_counter
from urllib.parse import quote

from websockets.asyncio.client import ClientConnection, connect

from bench import boto3_alone
from bench.light_client import LightConnection, open_socket, text_frame
from bench.load import first
from bench.report import Goal
from bench.servers import SAMPLE, lampwork

FOLDER = SAMPLE.with_name("sockets")
ROUNDS = 9
TURNS = 3  # of the emulator and of boto3 alone: a busy minute of the machine is in both
ECHOES = 500
CONNECTS = 50
MANY = 100
SIGNED = "Host: localhost\r\nAuthorization: AWS4-HMAC-SHA256 Credential=bench\r\n"


async def measure() -> list[Goal]:
    with lampwork(folder=FOLDER) as served:
        await first(served.port, "/", any_status=True)
        address = f"ws://localhost:{served.port}/dev"
        connecting = await _connects(address)
        echo = await _echoes(address)
        with ExitStack() as opened:
            sockets = [await open_socket(served.port, "/dev") for _ in range(MANY)]
            for each in sockets:
                opened.callback(each.close)
            ids = [await _light_id(each) for each in sockets]
            posts = median([await _posts(served.port, sockets, ids) for _ in range(ROUNDS)])
            broadcasts, alone = [], []
            for _ in range(TURNS):
                broadcasts.append(median([await _broadcast(sockets, ids) for _ in range(ROUNDS)]))
                alone.append(median((await boto3_alone.measure(MANY, ROUNDS))[1:]))
    ratio = median(ours / least for ours, least in zip(broadcasts, alone, strict=True))
    return [
        Goal.at_most("WebSocket connect, p50 ms", 1.5, connecting),
        Goal.at_most("… echo by route response, p50 ms", 0.6, echo),
        Goal.at_most(
            f"one message to {MANY}, boto3 in the handler, ms",
            75,
            median(broadcasts),
            {"boto3 alone": median(alone)},
        ),
        # 75 ms were asked for where boto3 alone took 54.
        Goal.at_most("… of boto3 alone", 1.39, ratio),
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


async def _light_id(connection: LightConnection) -> str:
    connection.send(text_frame('{"action": "echo"}'))
    return (await connection.frame()).decode()


async def _broadcast(sockets: list[LightConnection], ids: list[str]) -> float:
    """From the message until all have it.

    The last one's frame is the last to be sent. To be woken by each of the others' too would take
    this process 6 ms of the cores that are measured.
    """
    *others, last = sockets
    for each in others:
        each.sleep()
    began = perf_counter()
    sockets[0].send(text_frame(json.dumps({"action": "all", "to": ids})))
    await last.frame()
    for each in others:
        each.wake()
    for each in others:
        await each.frame()
    return (perf_counter() - began) * 1000


async def _posts(port: int, sockets: list[LightConnection], ids: list[str]) -> float:
    """One caller, one post after the other."""
    with socket.create_connection(("127.0.0.1", port)) as caller:
        began = perf_counter()
        for connection_id in ids:
            path = f"/dev/@connections/{quote(connection_id, safe='')}"
            _post(caller, f"POST {path} HTTP/1.1\r\n{SIGNED}Content-Length: 4\r\n\r\nnews")
        for each in sockets:
            await each.frame()
        return (perf_counter() - began) * 1000


def _post(caller: socket.socket, request: str) -> None:
    caller.sendall(request.encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += caller.recv(4096)
