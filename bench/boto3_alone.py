"""The time boto3 itself needs to post to connections, which no emulator can undercut."""

import asyncio
import sys
from time import perf_counter
from typing import Any, cast

import boto3

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n"
DATA = b"to all"


class AcceptingServer(asyncio.Protocol):
    """A server that answers every post at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._received.endswith(b"\r\n\r\n" + DATA):
            self._received = b""
            self._transport.write(ANSWER)


async def measure(posts: int, rounds: int) -> list[float]:
    """Milliseconds that each round of posts takes; a process of its own sends them."""
    server = await asyncio.get_running_loop().create_server(AcceptingServer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    command = [sys.executable, "-m", "bench.boto3_alone", *map(str, (port, posts, rounds))]
    async with server:
        sender = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await sender.communicate()
    return [float(line) for line in output.split()]


def _send(port: int, posts: int, rounds: int) -> None:
    connections: Any = boto3.client(
        "apigatewaymanagementapi",
        region_name="us-east-1",
        endpoint_url=f"http://localhost:{port}/dev",
        aws_access_key_id="bench",
        aws_secret_access_key="bench",
    )
    for _ in range(rounds + 1):  # the first round connects
        began = perf_counter()
        for _ in range(posts):
            connections.post_to_connection(ConnectionId="L0SM9cOFvHcCIhw=", Data=DATA)
        print((perf_counter() - began) * 1000)


if __name__ == "__main__":
    _send(*map(int, sys.argv[1:]))
