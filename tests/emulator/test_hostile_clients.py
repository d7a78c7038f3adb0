"""What a hostile client can send that no well-meaning one would, each on a real socket."""

import asyncio
import os
import resource
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from lampwork.front.server import Front
from lampwork.http.connection import HttpProtocol
from lampwork.http.listener import Listener
from lampwork.http.request import Request
from lampwork.http.responses import Response
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import http_api, running_front, stack

HELLO = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /hello HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"
HALF_OPEN = 1000

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def serving(folder: Path, invoker: FakeInvoker) -> AsyncIterator[Front]:
    api = http_api(
        ("GET", "/hello", "Hello"), ("POST", "/hello", "Hello"), ("ANY", "/smuggled", "S")
    )
    async with running_front(stack(api), invoker, folder) as front:
        yield front


async def exchange(front: Front, sent: bytes) -> bytes:
    """Everything that the server sends back for these bytes until it closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(sent)
    async with asyncio.timeout(10):
        answer = await reader.read()
    await close(writer)
    return answer


async def status(front: Front) -> bytes:
    """The status that an honest client gets at this moment."""
    reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
    writer.write(HELLO)
    async with asyncio.timeout(5):
        line = await reader.readline()
    await close(writer)
    return line.split()[1]


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nContent-Length: 6\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 0\r\nContent-Length: 43\r\n\r\n",
        POST + b"Content-Length: +0\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        POST + b"Content-Length : 0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n",
        POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        CHUNKED + b"-1\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"fffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        CHUNKED + b"3\r\nabcde0\r\n\r\n",
        CHUNKED + b"3\nabc\n0\n\n",
        b"GET /hello HTTP/1.1\r\nHost: localhost\r\nX-A: b\r\n folded\r\n\r\n",
        b"GET /hello HTTP/1.1\nHost: localhost\n\n",
        b"GET /hello HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: localhost\rX-A: b\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: localhost\r\nX-A: a\0b\r\n\r\n",
        b"GET /hello HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    ],
)
async def test_an_ambiguous_request_is_refused_and_nothing_after_it_is_served(
    tmp_path: Path, sent: bytes
) -> None:
    invoker = FakeInvoker(Hello=lambda event: "hello", S=lambda event: "smuggled")
    async with serving(tmp_path, invoker) as front:
        answer = await exchange(front, sent + SMUGGLED)

        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.count(b"HTTP/1.1 ") == 1
        assert not invoker.of("S")
        assert await status(front) == b"200"


@pytest.mark.parametrize(
    "head",
    [
        b"X-Long: " + b"a" * 20_000 + b"\r\n\r\n",
        b"".join(b"X-%d: a\r\n" % number for number in range(2_000)) + b"\r\n",
        b"X-Endless: " + b"a" * 1_000_000,
    ],
    ids=["one long header", "many headers", "a header that never ends"],
)
async def test_oversized_headers_are_refused(tmp_path: Path, head: bytes) -> None:
    async with serving(tmp_path, FakeInvoker(Hello=lambda event: "hello")) as front:
        answer = await exchange(front, b"GET /hello HTTP/1.1\r\nHost: localhost\r\n" + head)

        assert answer.startswith(b"HTTP/1.1 431 ")
        assert await status(front) == b"200"


async def test_a_thousand_half_open_and_slow_sockets_keep_nobody_waiting(tmp_path: Path) -> None:
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 2 * HALF_OPEN + 200
    async with serving(tmp_path, FakeInvoker(Hello=lambda event: "hello")) as front:
        opened: list[Stream] = []
        for number in range(HALF_OPEN):
            opened.append(await asyncio.open_connection("127.0.0.1", front.port))
            if number % 2:  # every other client begins a request and sends no more
                opened[-1][1].write(b"GET /hello HTTP/1.1\r\nHost: loc")

        assert await status(front) == b"200"

        before = len(os.listdir("/proc/self/fd"))
        for _, writer in opened:
            await close(writer)
        async with asyncio.timeout(10):
            while len(os.listdir("/proc/self/fd")) > before - 2 * HALF_OPEN:
                await asyncio.sleep(0.01)
        assert await status(front) == b"200"


@pytest.mark.parametrize(
    "part",
    [b"GET /", b"GET /hello HTTP/1.1\r\nX: ", POST + b"Content-Length: 9\r\n\r\nab"],
    ids=["a line", "a head", "a body"],
)
async def test_a_request_that_never_ends_is_given_up(part: bytes) -> None:
    async def answer(request: Request) -> Response:
        return Response(200, [])

    connections: set[HttpProtocol] = set()

    def protocol(secure: bool) -> HttpProtocol:
        return HttpProtocol(answer, request_seconds=0.1, connections=connections)

    async with listening(protocol) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            # A request in time first: it must not shorten the next one's.
            writer.write(HELLO)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(part)
            for _ in range(3):  # byte by byte, as Slowloris does
                await asyncio.sleep(0.03)
                writer.write(b"a")
            received = await reader.read()
        await close(writer)
        for connection in list(connections):
            connection.abort()

    assert received.startswith(b"HTTP/1.1 408 Request Timeout\r\n")


async def test_a_silent_client_is_disconnected() -> None:
    def protocol(secure: bool) -> asyncio.Protocol:
        return asyncio.Protocol()

    async with listening(protocol, silent_seconds=0.05) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        await close(writer)


@asynccontextmanager
async def listening(
    protocol: Callable[[bool], asyncio.Protocol], **options: float
) -> AsyncIterator[int]:
    listener = Listener(protocol, ssl.create_default_context, host="127.0.0.1", port=0, **options)
    await listener.start()
    yield listener.port
    listener.stop()
