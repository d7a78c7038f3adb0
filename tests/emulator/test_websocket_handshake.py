import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from lampwork.errors import Throttled
from lampwork.front.server import Front
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front, stack, websocket_api

TASKS = Subprotocol("tasks.v1")


def ok(event):
    return {"statusCode": 200}


@asynccontextmanager
async def front_with(
    tmp_path: Path, on_connect=ok, **options
) -> AsyncIterator[tuple[Front, FakeInvoker]]:
    invoker = FakeInvoker(connect=on_connect, disconnect=ok, default=ok)
    api = websocket_api("$connect", "$disconnect", "$default", **options)
    async with running_front(stack(api), invoker, tmp_path) as front:
        yield front, invoker


def url(front: Front, path: str = "/prod") -> str:
    return f"ws://localhost:{front.port}{path}"


async def refused(front: Front, path: str = "/prod") -> int:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(url(front, path))
    return refusal.value.response.status_code


def fails(event):
    raise RuntimeError


def throttled(event):
    raise Throttled("used up")


def split_header(event):
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "a\r\nSet-Cookie: b"}}


@pytest.mark.parametrize("status", [200, 201, 299])
@pytest.mark.assertion(11)
async def test_a_2xx_of_connect_opens_the_socket(tmp_path, status):
    async with (
        front_with(tmp_path, lambda event: {"statusCode": status}) as (front, _),
        connect(url(front)) as client,
    ):
        assert client.response is not None
        assert client.response.status_code == 101


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 429, 501])
@pytest.mark.assertion(11)
async def test_any_other_status_of_connect_is_what_the_client_gets(tmp_path, status):
    async with front_with(tmp_path, lambda event: {"statusCode": status}) as (front, _):
        assert await refused(front) == status


@pytest.mark.parametrize(
    "handler",
    [fails, throttled, split_header, lambda event: None, lambda event: "text", lambda event: b"{"],
)
@pytest.mark.assertion(11)
async def test_a_connect_function_that_does_not_answer_is_a_bad_gateway(tmp_path, handler):
    async with front_with(tmp_path, handler) as (front, _):
        assert await refused(front) == 502


@pytest.mark.assertion(11)
async def test_a_connect_function_that_takes_too_long_is_a_bad_gateway(tmp_path):
    never = asyncio.Event()
    async with front_with(tmp_path, lambda event: never.wait(), timeout=0.05) as (front, _):
        assert await refused(front) == 502


async def test_a_refused_client_was_never_connected(tmp_path):
    async with front_with(tmp_path, lambda event: {"statusCode": 403}) as (front, invoker):
        await refused(front)

    assert invoker.of("disconnect") == []


async def test_without_a_connect_route_everyone_may_connect(tmp_path):
    async with (
        running_front(stack(websocket_api("$default")), FakeInvoker(default=ok), tmp_path) as front,
        connect(url(front)),
    ):
        pass


async def test_the_url_of_the_stage_may_end_in_a_slash(tmp_path):
    async with front_with(tmp_path) as (front, _), connect(url(front, "/prod/")):
        pass


async def test_an_unknown_stage_is_forbidden(tmp_path):
    async with front_with(tmp_path) as (front, _):
        assert await refused(front, "/other") == 403
        assert await refused(front, "/prod/more") == 403


async def test_a_request_that_is_no_handshake_is_a_bad_request(tmp_path):
    async with front_with(tmp_path) as (front, invoker):
        reader, writer = await asyncio.open_connection("localhost", front.port)
        offer = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        writer.write(b"GET /prod HTTP/1.1\r\nHost: localhost\r\n" + offer + b"\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    assert b" 400 " in head
    assert invoker.events == []


async def test_the_subprotocol_is_the_one_connect_answers_with(tmp_path):
    def choose(event):
        assert event["headers"]["Sec-WebSocket-Protocol"] == "bearer.token, tasks.v1"
        return {"statusCode": 200, "headers": {"sec-websocket-protocol": "tasks.v1"}}

    async with (
        front_with(tmp_path, choose) as (front, _),
        connect(url(front), subprotocols=[Subprotocol("bearer.token"), TASKS]) as client,
    ):
        assert client.subprotocol == "tasks.v1"


async def test_the_gateway_chooses_no_subprotocol_and_no_compression_itself(tmp_path):
    async with (
        front_with(tmp_path) as (front, invoker),
        connect(url(front), subprotocols=[TASKS]) as client,
    ):
        offered = (await invoker.event("connect"))["headers"]
        assert client.response is not None
        assert "Sec-WebSocket-Protocol" not in client.response.headers
        assert "permessage-deflate" in offered["Sec-WebSocket-Extensions"]
        assert "Sec-WebSocket-Extensions" not in client.response.headers


async def test_a_rewritten_path_gives_its_parameters_as_query(tmp_path):
    async with (
        front_with(tmp_path, rewrites=("/ws/tasks/{task_id}",)) as (front, invoker),
        connect(url(front, "/ws/tasks/a%20b%26c?after=3")),
    ):
        event = await invoker.event("connect")

    assert event["queryStringParameters"] == {"task_id": "a b&c", "after": "3"}
    assert event["requestContext"]["stage"] == "prod"


async def test_a_client_cannot_override_a_rewritten_parameter(tmp_path):
    async with (
        front_with(tmp_path, rewrites=("/ws/tasks/{task_id}",)) as (front, invoker),
        connect(url(front, "/ws/tasks/mine?task_id=other&task%5Fid=another&x=1")),
    ):
        event = await invoker.event("connect")

    assert event["multiValueQueryStringParameters"] == {"task_id": ["mine"], "x": ["1"]}


async def test_a_client_that_leaves_during_connect_is_disconnected(tmp_path):
    may_end = asyncio.Event()

    async def slow(event):
        await may_end.wait()
        return {"statusCode": 200}

    async with front_with(tmp_path, slow) as (front, invoker):
        client = asyncio.create_task(connect(url(front)).__aenter__())
        connection_id = (await invoker.event("connect"))["requestContext"]["connectionId"]
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
        await asyncio.sleep(0.05)
        may_end.set()

        context = (await invoker.event("disconnect"))["requestContext"]

    assert (context["connectionId"], context["disconnectStatusCode"]) == (connection_id, 1006)
