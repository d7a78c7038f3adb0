import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from websockets.asyncio.client import ClientConnection, connect

from lampwork.front.server import Front
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front, stack, websocket_api

GONE_ID = "AAAAAAAAAAAAAAA="
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=x/20261123/us-east-1/execute-api/aws4_request"
}


def ok(event):
    return {"statusCode": 200}


@asynccontextmanager
async def running(tmp_path: Path, **options) -> AsyncIterator[tuple[Front, FakeInvoker]]:
    invoker = FakeInvoker(connect=ok, disconnect=ok)
    api = websocket_api("$connect", "$disconnect")
    async with running_front(stack(api), invoker, tmp_path, **options) as front:
        yield front, invoker


async def connected(front: Front, invoker: FakeInvoker) -> tuple[ClientConnection, str]:
    client = await connect(f"ws://localhost:{front.port}/prod", max_queue=None)
    event = await invoker.event("connect", len(invoker.of("connect")))
    return client, event["requestContext"]["connectionId"]


def management(endpoint: str, verify: Path | None = None) -> Any:
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
        verify=str(verify) if verify else None,
        config=Config(retries={"max_attempts": 0}),
    )


async def in_thread(call: Any, **arguments: Any) -> Any:
    return await asyncio.to_thread(call, **arguments)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.assertion(10)
async def test_boto3_posts_to_a_socket(tmp_path, scheme, host):
    async with running(tmp_path) as (front, invoker):
        client, connection_id = await connected(front, invoker)
        api = management(f"{scheme}://{host}:{front.port}/prod", front.ca_bundle)

        await in_thread(api.post_to_connection, ConnectionId=connection_id, Data="é".encode())

        assert await asyncio.wait_for(client.recv(), 5) == "é"
        await client.close()
        api.close()


@pytest.mark.assertion(10)
async def test_boto3_reads_the_information_about_a_socket(tmp_path):
    async with running(tmp_path) as (front, invoker):
        client, connection_id = await connected(front, invoker)
        api = management(f"http://localhost:{front.port}/prod")

        about = await in_thread(api.get_connection, ConnectionId=connection_id)

        assert abs(datetime.now(UTC) - about["ConnectedAt"]) < timedelta(seconds=10)
        assert about["LastActiveAt"] >= about["ConnectedAt"]
        assert about["Identity"]["SourceIp"] in ("127.0.0.1", "::1")
        assert "websockets" in about["Identity"]["UserAgent"]
        await client.close()
        api.close()


@pytest.mark.assertion(10)
async def test_boto3_closes_a_socket_and_then_it_is_gone(tmp_path):
    async with running(tmp_path) as (front, invoker):
        client, connection_id = await connected(front, invoker)
        api = management(f"http://localhost:{front.port}/prod")

        await in_thread(api.delete_connection, ConnectionId=connection_id)
        with pytest.raises(api.exceptions.GoneException) as gone:
            await in_thread(api.post_to_connection, ConnectionId=connection_id, Data=b"x")

        await asyncio.wait_for(client.wait_closed(), 5)
        assert client.close_code == 1000
        assert gone.value.response["Error"].get("Message", "") == ""
        await invoker.event("disconnect")
        api.close()


async def test_a_message_over_128_kb_is_too_large(tmp_path):
    async with running(tmp_path) as (front, invoker):
        client, connection_id = await connected(front, invoker)
        api = management(f"http://localhost:{front.port}/prod")

        with pytest.raises(ClientError) as refusal:
            await in_thread(
                api.post_to_connection, ConnectionId=connection_id, Data=b"x" * (128 * 1024 + 1)
            )

        assert refusal.value.response["Error"]["Code"] == "PayloadTooLargeException"
        await client.close()
        api.close()


async def test_a_connection_exists_only_after_connect_has_answered(tmp_path):
    statuses = []

    async def post_to_itself(event):
        statuses.append(await posted(front, event["requestContext"]["connectionId"]))
        return {"statusCode": 200}

    async with running(tmp_path) as (front, invoker):
        invoker.handlers["connect"] = post_to_itself
        client, connection_id = await connected(front, invoker)
        statuses.append(await posted(front, connection_id))
        await client.close()

    assert statuses == [410, 200]


async def posted(front: Front, connection_id: str, stage: str = "prod") -> int:
    async with httpx.AsyncClient(headers=SIGNED) as http:
        url = f"{front.origin}/{stage}/@connections/{connection_id.replace('=', '%3D')}"
        return (await http.post(url, content=b"x")).status_code


@pytest.mark.parametrize(
    ("path", "headers", "status", "error", "body"),
    [
        (f"/prod/@connections/{GONE_ID}", SIGNED, 410, "GoneException", ""),
        (f"/prod/%40connections/{GONE_ID}", SIGNED, 410, "GoneException", ""),
        (
            f"/prod/@connections/{GONE_ID}",
            {},
            403,
            "MissingAuthenticationTokenException",
            '{"message": "Missing Authentication Token"}',
        ),
        (
            "/prod/@connections/short",
            SIGNED,
            400,
            "BadRequestException",
            '{"message": "Invalid connectionId: short"}',
        ),
        (
            f"/other/@connections/{GONE_ID}",
            SIGNED,
            403,
            "ForbiddenException",
            '{"message": "Forbidden"}',
        ),
    ],
)
async def test_a_post_that_cannot_be_delivered_has_the_error_of_the_service(
    tmp_path, path, headers, status, error, body
):
    async with running(tmp_path) as (front, _), httpx.AsyncClient() as http:
        response = await http.post(front.origin + path, headers=headers)

    assert (response.status_code, response.text) == (status, body)
    assert response.headers["x-amzn-errortype"] == error


async def test_a_client_that_does_not_read_is_dropped_and_others_are_served(tmp_path):
    async with running(tmp_path) as (front, invoker), httpx.AsyncClient(headers=SIGNED) as http:
        slow, slow_id = await connected(front, invoker)
        quick, quick_id = await connected(front, invoker)
        slow.transport.pause_reading()

        async def post(connection_id: str) -> int:
            url = f"{front.origin}/prod/@connections/{connection_id}"
            return (await http.post(url, content=b"x" * 128_000)).status_code

        statuses = []
        while 410 not in statuses:
            statuses.append(await asyncio.wait_for(post(slow_id), 5))
            assert await asyncio.wait_for(post(quick_id), 5) == 200
            await asyncio.wait_for(quick.recv(), 5)

        context = (await invoker.event("disconnect"))["requestContext"]
        assert (context["connectionId"], context["disconnectStatusCode"]) == (slow_id, 1006)
        slow.transport.abort()
        await quick.close()


async def test_a_thousand_sockets_each_get_their_message(tmp_path):
    async with running(tmp_path) as (front, invoker), httpx.AsyncClient(headers=SIGNED) as http:
        url = f"ws://localhost:{front.port}/prod"
        clients = []
        for _ in range(10):
            clients += await asyncio.gather(*(connect(url) for _ in range(100)))
        ids = [event["requestContext"]["connectionId"] for event in invoker.of("connect")]
        assert len(set(ids)) == 1000

        for connection_id in ids:
            response = await http.post(
                f"{front.origin}/prod/@connections/{connection_id}", content=connection_id
            )
            assert response.status_code == 200
        received = await asyncio.gather(*(client.recv() for client in clients))

        assert sorted(received) == sorted(ids)
        await asyncio.gather(*(client.close() for client in clients))
