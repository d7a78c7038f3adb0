import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from lampwork.front.server import Front
from lampwork.front.websocket import open_socket
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front, stack, websocket_api

KB = 1024


def ok(event):
    return {"statusCode": 200}


@asynccontextmanager
async def client_of(
    tmp_path: Path, *keys: str, time_scale: float = 1, **handlers
) -> AsyncIterator[tuple[ClientConnection, FakeInvoker, Front]]:
    invoker = FakeInvoker(**{key.lstrip("$"): ok for key in keys} | handlers)
    apis = stack(websocket_api(*keys))
    async with (
        running_front(apis, invoker, tmp_path, time_scale=time_scale) as front,
        connect(f"ws://localhost:{front.port}/prod", max_size=None) as client,
    ):
        yield client, invoker, front


async def closed(client: ClientConnection) -> tuple[int | None, str]:
    async with asyncio.timeout(5):
        await client.wait_closed()
    return client.close_code, client.close_reason or ""


async def test_a_message_goes_to_the_function_of_its_route(tmp_path):
    async with client_of(tmp_path, "join", "$default") as (client, invoker, _):
        await client.send('{"action": "join", "room": "é"}')
        await client.send('{"action": "other"}')
        joined, other = await invoker.event("join"), await invoker.event("default")

    assert joined["body"] == '{"action": "join", "room": "é"}'
    assert joined["requestContext"]["routeKey"] == "join"
    assert other["requestContext"]["routeKey"] == "$default"


async def test_what_a_function_returns_does_not_go_to_the_client(tmp_path):
    def answer(event):
        return {"statusCode": 501, "body": "not for the client"}

    async with client_of(tmp_path, "$default", default=answer) as (client, invoker, _):
        await client.send("first")
        await invoker.event("default")
        await client.send("second")
        await invoker.event("default", 2)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.recv(), 0.05)


@pytest.mark.assertion(9)
async def test_a_message_without_a_route_is_forbidden_and_the_socket_stays_open(tmp_path):
    async with client_of(tmp_path, "$connect", "join") as (client, invoker, _):
        connection_id = (await invoker.event("connect"))["requestContext"]["connectionId"]
        await client.send('{"action": "$connect"}')
        frame = await client.recv()
        await client.send('{"action": "join"}')
        await invoker.event("join")

    request_id = json.loads(frame)["requestId"]
    assert frame == (
        f'{{"message": "Forbidden", "connectionId":"{connection_id}", "requestId":"{request_id}"}}'
    )


def fails(event):
    raise RuntimeError("secret detail")


@pytest.mark.parametrize("handler", [fails, lambda event: None, lambda event: {}])
@pytest.mark.assertion(9)
async def test_a_failing_function_gives_an_error_frame_and_the_socket_stays_open(tmp_path, handler):
    async with client_of(tmp_path, "$default", default=handler) as (client, invoker, _):
        frames = []
        for _ in range(2):
            await client.send("x")
            frames.append(json.loads(await client.recv()))
        context = invoker.of("default")[1]["requestContext"]

    assert frames[1] == {
        "message": "Internal server error",
        "connectionId": context["connectionId"],
        "requestId": context["requestId"],
    }


async def test_the_gateway_logs_nothing_about_a_function_that_fails(tmp_path, caplog):
    async with client_of(tmp_path, "$default", default=fails) as (client, _, _):
        await client.send("x")
        await client.recv()

    assert [record.getMessage() for record in caplog.records] == []


async def test_an_answer_that_is_no_object_is_reported(tmp_path, caplog):
    async with client_of(tmp_path, "$default", default=lambda event: "text") as (client, _, _):
        await client.send("x")
        await client.recv()

    assert [record.reason for record in caplog.records] == [
        "The function's answer is not an object."
    ]


async def test_messages_of_one_connection_do_not_wait_for_each_other(tmp_path):
    first_may_end = asyncio.Event()

    async def handler(event):
        await (first_may_end.wait() if event["body"] == "first" else asyncio.sleep(0))
        return {"statusCode": 200}

    async with client_of(tmp_path, "$default", default=handler) as (client, invoker, _):
        await client.send("first")
        await client.send("second")

        assert (await invoker.event("default", 2))["body"] == "second"
        first_may_end.set()


async def test_a_flood_of_messages_all_arrives(tmp_path):
    async with client_of(tmp_path, "$default") as (client, invoker, _):
        for number in range(1000):
            await client.send(str(number))
        await invoker.event("default", 1000)

    assert sorted(int(event["body"]) for event in invoker.of("default")) == list(range(1000))


async def test_a_frame_over_32_kb_closes_1009(tmp_path):
    async with client_of(tmp_path, "$default", "$disconnect") as (client, invoker, _):
        await client.send("x" * (32 * KB))
        await invoker.event("default")
        await client.send("x" * (32 * KB + 1))

        assert (await closed(client))[0] == 1009
        context = (await invoker.event("disconnect"))["requestContext"]

    assert context["disconnectStatusCode"] == 1009


async def test_a_message_of_128_kb_in_small_frames_arrives_and_a_longer_one_closes_1009(tmp_path):
    async with client_of(tmp_path, "$default") as (client, invoker, _):
        await client.send(["x" * (32 * KB)] * 4)
        assert len((await invoker.event("default"))["body"]) == 128 * KB
        with suppress(ConnectionClosed):
            await client.send(["x" * (32 * KB)] * 4 + ["x"])

        assert (await closed(client))[0] == 1009


async def test_a_binary_frame_closes_1003(tmp_path):
    async with client_of(tmp_path, "$default") as (client, invoker, _):
        await client.send(b"binary")

        assert (await closed(client))[0] == 1003
    assert invoker.of("default") == []


@pytest.mark.parametrize(
    ("code", "reason", "seen"),
    [(1000, "", ""), (1001, "", ""), (4001, "my reason", "my reason")],
)
async def test_disconnect_gets_the_clients_code_and_reason(tmp_path, code, reason, seen):
    async with client_of(tmp_path, "$disconnect") as (client, invoker, _):
        await client.close(code, reason)
        context = (await invoker.event("disconnect"))["requestContext"]

    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (code, seen)


async def test_disconnect_learns_of_a_close_without_a_code(tmp_path):
    async with client_of(tmp_path, "$disconnect") as (client, invoker, _):
        client.protocol.send_close()
        client.send_data()
        context = (await invoker.event("disconnect"))["requestContext"]

    assert context["disconnectStatusCode"] == 1005
    assert context["disconnectReason"] == "Client-side close frame status not set"


async def test_disconnect_learns_of_a_lost_connection(tmp_path):
    async with client_of(tmp_path, "$disconnect") as (client, invoker, _):
        client.transport.abort()
        context = (await invoker.event("disconnect"))["requestContext"]

    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1006, "")


async def test_a_ping_is_answered(tmp_path):
    async with client_of(tmp_path, "$default") as (client, _, _):
        await asyncio.wait_for(await client.ping(), 5)


async def test_an_idle_socket_is_closed(tmp_path):
    async with client_of(tmp_path, "$disconnect", time_scale=0.0002) as (client, invoker, _):
        assert await closed(client) == (1001, "Going away")
        context = (await invoker.event("disconnect"))["requestContext"]

    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1001, "Going away")


async def test_a_busy_socket_is_closed_after_its_longest_life(tmp_path, monkeypatch):
    monkeypatch.setattr(open_socket, "LIFETIME_SECONDS", 2 * open_socket.IDLE_SECONDS)
    async with client_of(tmp_path, "$default", time_scale=0.0005) as (client, _, _):
        began = asyncio.get_running_loop().time()
        with suppress(ConnectionClosed):
            while True:  # idle would be 0.3 s, the longest life is 0.6 s
                await client.send("x")
                await asyncio.sleep(0.01)

        assert await closed(client) == (1001, "Going away")
        assert asyncio.get_running_loop().time() - began > 0.5


async def test_stopping_closes_the_sockets_and_runs_disconnect(tmp_path):
    async with client_of(tmp_path, "$disconnect") as (client, invoker, front):
        await front.stop()

        assert await closed(client) == (1001, "Going away")
        assert len(invoker.of("disconnect")) == 1


async def test_open_sockets_stay_when_the_routes_change(tmp_path):
    async with client_of(tmp_path, "$default", join=ok) as (client, invoker, front):
        front.update(stack(websocket_api("join")))
        await client.send('{"action": "join"}')

        await invoker.event("join")


async def test_sockets_of_an_api_that_is_gone_are_closed(tmp_path):
    async with client_of(tmp_path, "$default") as (client, _, front):
        front.update(stack())

        assert (await closed(client))[0] == 1001
