import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from lampwork.http.connection import Handler, HttpProtocol, Upgrade
from lampwork.http.request import Request
from lampwork.http.responses import Response

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


async def describe(request: Request) -> Response:
    text = f"{request.method} {request.target} {request.body.decode()}"
    return Response(200, [("content-type", "text/plain")], text.encode())


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def response(self, *, body: bool = True) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = head.rstrip().split("\r\n")
            headers = dict(line.split(": ", 1) for line in lines)
            size = int(headers.get("content-length", 0)) if body else 0
            return int(status_line.split()[1]), headers, await self.reader.readexactly(size)

    async def end(self) -> bytes:
        async with asyncio.timeout(5):
            return await self.reader.read()


Connect = Callable[[], Awaitable[Client]]


@asynccontextmanager
async def serving(handler: Handler, **options: object) -> AsyncIterator[Connect]:
    loop = asyncio.get_running_loop()
    connections: set[HttpProtocol] = set()
    options.setdefault("connections", connections)
    server = await loop.create_server(
        lambda: HttpProtocol(handler, **options),  # type: ignore[arg-type]
        "127.0.0.1",
        0,
    )
    clients: list[Client] = []

    async def connect() -> Client:
        client = Client(*await asyncio.open_connection(*server.sockets[0].getsockname()))
        clients.append(client)
        return client

    try:
        yield connect
    finally:
        for client in clients:
            client.writer.close()
            await asyncio.gather(client.writer.wait_closed(), return_exceptions=True)
        while options["connections"]:
            await asyncio.sleep(0.001)
        server.close()
        await server.wait_closed()


async def test_a_connection_serves_many_requests():
    async with serving(describe) as connect:
        client = await connect()

        answers = []
        for target in (b"/a", b"/b?c=d"):
            await client.send(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            answers.append(await client.response())

    assert [body for _, _, body in answers] == [b"GET /a ", b"GET /b?c=d "]
    assert answers[0][1]["connection"] == "keep-alive"


async def test_pipelined_requests_are_answered_in_their_order():
    first_may_end = asyncio.Event()

    async def handler(request: Request) -> Response:
        if request.target == "/0":
            await first_may_end.wait()
        return await describe(request)

    async with serving(handler) as connect:
        client = await connect()
        await client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(100)))
        first_may_end.set()
        bodies = [(await client.response())[2] for _ in range(100)]

    assert bodies == [b"GET /%d " % n for n in range(100)]


async def test_chunked_bodies_are_joined_and_their_trailers_are_no_headers():
    async with serving(describe) as connect:
        client = await connect()

        await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n")
        await client.send(b"5\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n")

        assert (await client.response())[2] == b"POST / hello world"


async def test_a_client_that_waits_for_100_continue_gets_it():
    async with serving(describe) as connect:
        client = await connect()

        await client.send(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hi")

        assert (await client.response())[2] == b"POST / hi"


async def test_head_has_the_headers_without_the_body():
    async with serving(describe) as connect:
        client = await connect()

        await client.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        _, headers, _ = await client.response(body=False)

        assert headers["content-length"] == "7"
        assert (await client.response())[2] == b"GET / "


@pytest.mark.parametrize("status", [204, 304])
async def test_a_status_without_body_has_no_length(status):
    async def handler(request: Request) -> Response:
        return Response(status, [], b"ignored")

    async with serving(handler) as connect:
        client = await connect()

        await client.send(GET + GET)
        first, headers, _ = await client.response()

        assert first == status
        assert "content-length" not in headers
        assert (await client.response())[0] == status


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        (b"nonsense\r\n\r\n", 400, "Bad Request"),
        (b"GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", 400, "Bad Request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400, "Bad Request"),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", 400, "Bad Request"),
        (
            b"GET / HTTP/1.1\r\nX: " + b"a" * 900 + b"\r\n\r\n",
            431,
            "Request Header Fields Too Large",
        ),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000, 431, "Request Header Fields Too Large"),
        (POST + b"Content-Length: 1001\r\n\r\n", 413, "Request Entity Too Large"),
        (
            POST + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"a" * 1001,
            413,
            "Request Entity Too Large",
        ),
    ],
)
async def test_a_request_that_cannot_be_served_is_refused_and_ends_the_connection(
    sent, status, message
):
    async with serving(describe, max_head=800, max_body=1000) as connect:
        client = await connect()

        await client.send(sent)
        answer, headers, body = await client.response()

        assert (answer, body) == (status, b'{"message":"%s"}' % message.encode())
        assert headers["connection"] == "close"
        assert await client.end() == b""


async def test_a_client_still_sending_sees_why_it_is_refused():
    async with serving(describe, max_body=1000) as connect:
        client = await connect()

        await client.send(POST + b"Content-Length: 9000000\r\n\r\n" + b"a" * 9_000_000)

        assert (await client.response())[0] == 413


async def test_requests_before_a_malformed_one_are_answered_first():
    async with serving(describe) as connect:
        client = await connect()

        await client.send(GET + b"nonsense\r\n\r\n")

        assert [(await client.response())[0] for _ in range(2)] == [200, 400]


async def test_a_failing_handler_is_logged_once_and_answers_500(caplog):
    async def handler(request: Request) -> Response:
        raise RuntimeError("broken")

    async with serving(handler) as connect:
        client = await connect()
        await client.send(GET)
        status, _, body = await client.response()

    assert (status, body) == (500, b'{"message":"Internal Server Error"}')
    assert [record.message for record in caplog.records] == ["request failed"]


@pytest.mark.parametrize(
    ("head", "connection"),
    [
        (b"GET / HTTP/1.0\r\n\r\n", "close"),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "keep-alive"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "close"),
    ],
)
async def test_the_client_decides_whether_the_connection_stays_open(head, connection):
    async with serving(describe) as connect:
        client = await connect()

        await client.send(head)

        assert (await client.response())[1]["connection"] == connection


async def test_a_client_that_ended_its_side_still_gets_its_answer():
    async def handler(request: Request) -> Response:
        await asyncio.sleep(0)
        return await describe(request)

    async with serving(handler) as connect:
        client = await connect()

        client.writer.write(GET + GET)
        client.writer.write_eof()

        assert (await client.end()).count(b"200 OK") == 2


async def test_a_handler_ends_even_when_its_client_left():
    started, client_left, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        started.set()
        await client_left.wait()
        ended.set()
        return Response(200, [])

    open_connections: set[HttpProtocol] = set()
    async with serving(handler, connections=open_connections) as connect:
        client = await connect()
        await client.send(GET)
        await asyncio.wait_for(started.wait(), 5)
        client.writer.transport.abort()
        client_left.set()

        await asyncio.wait_for(ended.wait(), 5)


async def test_an_offer_to_speak_http2_is_declined():
    async with serving(describe) as connect:
        client = await connect()

        await client.send(
            b"POST /h2 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
            b"Upgrade: h2c\r\nHTTP2-Settings: AAMA\r\nContent-Length: 4\r\n\r\nbody" + GET
        )

        assert (await client.response())[2] == b"POST /h2 body"
        assert (await client.response())[2] == b"GET / "


async def test_an_older_client_need_not_name_the_host_whatever_it_offers():
    async with serving(describe) as connect:
        client = await connect()

        await client.send(b"GET / HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")

        assert (await client.response())[2] == b"GET / "


async def test_a_request_may_name_the_whole_url():
    async with serving(describe) as connect:
        client = await connect()

        await client.send(b"GET http://host:80/path?q=1 HTTP/1.1\r\nHost: host:80\r\n\r\n")

        assert (await client.response())[2] == b"GET /path?q=1 "


@pytest.mark.parametrize(
    ("target", "host", "seen"),
    [
        ("http://other.example:80/path", "other.example:80", b"/path other.example:80"),
        ("http://other.example?q=1", "other.example", b"/?q=1 other.example"),
        ("HTTPS://Other.example", "other.example", b"/ other.example"),
        ("//other.example/path", "here", b"//other.example/path here"),
    ],
)
async def test_a_whole_url_is_taken_for_its_path(target: str, host: str, seen: bytes):
    async def name(request: Request) -> Response:
        return Response(200, [], f"{request.target} {request.header('host')}".encode())

    async with serving(name) as connect:
        client = await connect()

        await client.send(f"GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

        assert (await client.response())[2] == seen


@pytest.mark.parametrize(
    "target", ["http://other.example/", "http://here:81/", "http://me@here/", "http:///path"]
)
async def test_a_whole_url_with_another_host_than_its_header_is_refused(target: str):
    async with serving(describe) as connect:
        client = await connect()

        await client.send(f"GET {target} HTTP/1.1\r\nHost: here\r\n\r\n".encode())

        assert (await client.response())[0] == 400


class Echo(asyncio.Protocol):
    def __init__(self, transport: asyncio.Transport, early: bytes) -> None:
        self.transport = transport
        self.lost = asyncio.Event()
        if not transport.is_closing():
            transport.write(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + early)

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set()


UPGRADE = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"


async def test_an_upgrade_hands_over_the_connection_and_what_was_already_read():
    asked = asyncio.Event()

    async def handler(request: Request) -> Upgrade:
        await asked.wait()
        return Upgrade(Echo)

    async with serving(handler) as connect:
        client = await connect()
        await client.send(UPGRADE + b"early ")
        asked.set()
        await client.send(b"late")

        await client.reader.readuntil(b"\r\n\r\n")
        assert await client.reader.readexactly(10) == b"early late"


async def test_an_upgraded_connection_has_no_deadline_even_if_its_request_came_in_parts():
    async def handler(request: Request) -> Upgrade:
        return Upgrade(Echo)

    async with serving(handler, request_seconds=0.1) as connect:
        client = await connect()
        await client.send(UPGRADE[:20])
        await asyncio.sleep(0.01)
        await client.send(UPGRADE[20:])
        await client.reader.readuntil(b"\r\n\r\n")

        await asyncio.sleep(0.2)
        await client.send(b"late")

        async with asyncio.timeout(5):
            assert await client.reader.readexactly(4) == b"late"


async def test_an_upgraded_connection_learns_that_its_client_has_left():
    started, left = asyncio.Event(), asyncio.Event()
    echoes: list[Echo] = []

    def start(transport: asyncio.Transport, early: bytes) -> Echo:
        echoes.append(Echo(transport, early))
        left.set()
        return echoes[0]

    may_end = asyncio.Event()

    async def handler(request: Request) -> Upgrade:
        started.set()
        await may_end.wait()
        return Upgrade(start)

    connections: set[HttpProtocol] = set()
    async with serving(handler, connections=connections) as connect:
        client = await connect()
        await client.send(UPGRADE)
        await asyncio.wait_for(started.wait(), 5)
        client.writer.transport.abort()
        while connections:
            await asyncio.sleep(0.001)
        may_end.set()
        await asyncio.wait_for(left.wait(), 5)

        await asyncio.wait_for(echoes[0].lost.wait(), 5)


async def test_shutting_down_closes_idle_connections_and_lets_busy_ones_answer():
    started, may_end = asyncio.Event(), asyncio.Event()

    async def handler(request: Request) -> Response:
        started.set()
        await may_end.wait()
        return await describe(request)

    connections: set[HttpProtocol] = set()
    async with serving(handler, connections=connections) as connect:
        idle, busy = await connect(), await connect()
        await busy.send(GET)
        await asyncio.wait_for(started.wait(), 5)

        for connection in list(connections):
            connection.shutdown()
        may_end.set()

        assert await idle.end() == b""
        assert (await busy.response())[1]["connection"] == "close"
        assert await busy.end() == b""
