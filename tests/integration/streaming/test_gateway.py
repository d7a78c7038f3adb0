import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.credentials import Credentials

from shared.clients.http_client import HttpClient
from shared.clients.sigv4 import Signer
from shared.stream.gateway import ApiGateway, GatewayError, Gone, Overloaded
from tests.websocket_events import CONNECTION_ID, ConnectionsApi, serving_connections


@pytest.fixture
def api() -> Iterator[ConnectionsApi]:
    with serving_connections() as api:
        api.open.add(CONNECTION_ID)
        yield api


CREDENTIALS = Credentials("AKIDEXAMPLE", "secret", "session-token")
FIXED = datetime(2026, 4, 21, 15, 8, 21, tzinfo=UTC)


GatewayTo = Callable[..., ApiGateway]


@pytest.fixture
async def gateway_to() -> AsyncIterator[GatewayTo]:
    clients = []

    def make(url: str, timeout_seconds: float = 2) -> ApiGateway:
        clients.append(HttpClient(url, tls=None, timeout_seconds=timeout_seconds))
        return ApiGateway(
            url,
            signer=Signer("execute-api", "us-east-1", lambda: CREDENTIALS),
            http=clients[-1],
        )

    yield make
    for client in clients:
        await client.close()


async def test_a_frame_reaches_its_socket(api: ConnectionsApi, gateway_to: GatewayTo):
    gateway = gateway_to(api.url)

    await gateway.post(CONNECTION_ID, '{"prompt":"héron 💡"}')

    assert api.frames[CONNECTION_ID] == [{"prompt": "héron 💡"}]


async def test_a_socket_is_closed(api: ConnectionsApi, gateway_to: GatewayTo):
    await gateway_to(api.url).close(CONNECTION_ID)

    assert api.closed == {CONNECTION_ID}


async def test_a_call_is_signed_as_boto3_signs_it(
    api: ConnectionsApi, monkeypatch, gateway_to: GatewayTo
):
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: FIXED)
    monkeypatch.setattr("botocore.compat.get_current_datetime", lambda: FIXED)
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=api.url,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="secret",
        aws_session_token="session-token",
    )

    await asyncio.to_thread(client.post_to_connection, ConnectionId=CONNECTION_ID, Data=b"{}")
    await gateway_to(api.url).post(CONNECTION_ID, "{}")

    theirs, ours = (signed(request) for request in api.requests)
    assert ours == theirs


@pytest.mark.parametrize(
    ("status", "error"),
    [(410, Gone), (429, Overloaded), (500, Overloaded), (503, Overloaded), (403, GatewayError)],
)
async def test_each_kind_of_refusal_raises_its_own_error(
    api: ConnectionsApi, status, error, gateway_to: GatewayTo
):
    api.answers.append(status)

    with pytest.raises(GatewayError) as caught:
        await gateway_to(api.url).post(CONNECTION_ID, "{}")

    assert type(caught.value) is error


async def test_an_unknown_socket_is_gone(api: ConnectionsApi, gateway_to: GatewayTo):
    with pytest.raises(Gone):
        await gateway_to(api.url).post("unknown=", "{}")


async def test_a_kept_connection_that_was_closed_is_replaced(
    api: ConnectionsApi, gateway_to: GatewayTo
):
    api.hang_up_after_answer = True
    gateway = gateway_to(api.url)

    for _ in range(3):
        await gateway.post(CONNECTION_ID, "{}")
        await asyncio.sleep(0.02)

    assert len(api.frames[CONNECTION_ID]) == 3


async def test_many_posts_run_at_a_time(api: ConnectionsApi, gateway_to: GatewayTo):
    gateway = gateway_to(api.url)

    await asyncio.gather(*(gateway.post(CONNECTION_ID, "{}") for _ in range(50)))

    assert len(api.frames[CONNECTION_ID]) == 50


async def test_an_unavailable_gateway_counts_as_overloaded(gateway_to: GatewayTo):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(Overloaded):
        await gateway_to(f"http://127.0.0.1:{port}/live").post(CONNECTION_ID, "{}")


async def test_a_silent_gateway_counts_as_overloaded(gateway_to: GatewayTo):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/live"

        with pytest.raises(Overloaded):
            await gateway_to(url, timeout_seconds=0.1).post(CONNECTION_ID, "{}")


@pytest.mark.parametrize("answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b""])
async def test_half_an_answer_counts_as_overloaded(answer, gateway_to: GatewayTo):
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/live"

        with pytest.raises(Overloaded):
            await gateway_to(url).post(CONNECTION_ID, "{}")


def signed(request: tuple[str, str, dict[str, str], bytes]) -> dict[str, Any]:
    """The parts of a request that its signature covers, and the signature."""
    method, path, headers, body = request
    authorization = headers["Authorization"]
    names = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    lower = {name.lower(): value for name, value in headers.items()}
    return {
        "request": (method, path, body),
        "headers": {name: lower[name] for name in names},
        "authorization": authorization,
    }


async def test_bytes_after_an_answer_without_a_length_are_not_read_as_the_next_answer(
    gateway_to: GatewayTo,
):
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        try:
            while True:
                await reader.readuntil(b"{}")
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                writer.write(b"2\r\n{}\r\n0\r\n\r\n")
        except asyncio.IncompleteReadError:
            writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        gateway = gateway_to(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        for _ in range(3):
            await gateway.post(CONNECTION_ID, "{}")

    assert connections == 3
