import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from lampwork.errors import StartError, Throttled
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front, stack
from tests.emulator.test_connections import in_thread


@asynccontextmanager
async def client_for(tmp_path, handler) -> AsyncIterator[tuple[Any, FakeInvoker]]:
    invoker = FakeInvoker(Hello=handler)
    apis = stack(functions=("Hello",))
    async with running_front(apis, invoker, tmp_path, time_scale=0.0001) as front:
        client = boto3.client(
            "lambda",
            endpoint_url=front.origin,
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}),
        )
        yield client, invoker
        client.close()


def hello(event):
    return {"hello": event["name"]}


def fails(event):
    raise RuntimeError("broken")


def throttled(event):
    raise Throttled("used up")


def unstartable(event):
    raise StartError("No further process can be started: Too many open files.")


@pytest.mark.parametrize(
    "name",
    [
        "Hello",
        "stack-Hello",
        "arn:aws:lambda:us-east-1:000000000000:function:stack-Hello",
        "000000000000:function:stack-Hello",
        "stack-Hello:$LATEST",
    ],
)
async def test_a_function_answers_under_each_of_its_names(tmp_path, name):
    async with client_for(tmp_path, hello) as (client, _):
        answer = await in_thread(client.invoke, FunctionName=name, Payload=b'{"name": "Ada"}')

    assert json.loads(answer["Payload"].read()) == {"hello": "Ada"}
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    assert "FunctionError" not in answer


@pytest.mark.assertion(13)
async def test_a_function_that_fails_is_reported_as_failed(tmp_path):
    async with client_for(tmp_path, fails) as (client, _):
        answer = await in_thread(client.invoke, FunctionName="Hello", LogType="Tail")

    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(answer["Payload"].read())["errorMessage"] == "broken"
    assert base64.b64decode(answer["LogResult"]) == b"START\nEND\nREPORT\n"


@pytest.mark.parametrize("size", [1, 200_000])
async def test_a_stream_of_a_function_that_does_not_stream_is_its_answer(tmp_path, size):
    """https://docs.aws.amazon.com/lambda/latest/api/API_InvokeWithResponseStream.html"""
    async with client_for(tmp_path, lambda event: {"text": "x" * size}) as (client, _):
        answer = await in_thread(
            client.invoke_with_response_stream, FunctionName="Hello", Payload=b"{}", LogType="Tail"
        )
        events = await in_thread(lambda: list(answer["EventStream"]))

    chunks = [event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event]
    assert json.loads(b"".join(chunks)) == {"text": "x" * size}
    assert "InvokeComplete" in events[-1]
    assert "ErrorCode" not in events[-1]["InvokeComplete"]
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-amz-executed-version"] == "$LATEST"


async def test_a_stream_ends_with_the_error_of_a_function(tmp_path):
    async with client_for(tmp_path, fails) as (client, _):
        answer = await in_thread(client.invoke_with_response_stream, FunctionName="Hello")
        (end,) = await in_thread(lambda: list(answer["EventStream"]))
        with pytest.raises(ClientError, match="Function not found"):
            await in_thread(client.invoke_with_response_stream, FunctionName="Nobody")

    assert end["InvokeComplete"]["ErrorCode"] == "Unhandled"
    assert json.loads(end["InvokeComplete"]["ErrorDetails"])["errorMessage"] == "broken"


@pytest.mark.assertion(13)
async def test_a_dry_run_runs_nothing(tmp_path):
    async with client_for(tmp_path, hello) as (client, invoker):
        answer = await in_thread(client.invoke, FunctionName="Hello", InvocationType="DryRun")

    assert answer["StatusCode"] == 204
    assert invoker.events == []


@pytest.mark.assertion(13)
async def test_an_event_is_accepted_at_once_and_tried_three_times(tmp_path):
    async with client_for(tmp_path, fails) as (client, invoker):
        answer = await in_thread(
            client.invoke, FunctionName="Hello", InvocationType="Event", Payload=b'{"n": 1}'
        )
        await invoker.event("Hello", 3)

    assert answer["StatusCode"] == 202
    assert invoker.of("Hello") == [{"n": 1}] * 3


async def test_a_throttled_event_waits_until_it_runs(tmp_path):
    ran = 0

    def busy_at_first(event):
        nonlocal ran
        ran += 1
        if ran < 5:
            raise Throttled("used up")
        return None

    async with client_for(tmp_path, busy_at_first) as (client, invoker):
        await in_thread(client.invoke, FunctionName="Hello", InvocationType="Event")
        await invoker.event("Hello", 5)

    assert ran == 5


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (
            {"FunctionName": "Nobody"},
            "ResourceNotFoundException",
            "Function not found: arn:aws:lambda:eu-west-1:000000000000:function:Nobody",
        ),
        (
            {"FunctionName": "Hello", "Payload": b"{not json"},
            "InvalidRequestContentException",
            "Could not parse request body into json",
        ),
        (
            {"FunctionName": "Hello", "Payload": b'"' + b"x" * 6 * 1024**2 + b'"'},
            "RequestTooLargeException",
            "Request must be smaller than",
        ),
        ({"FunctionName": "Hello"}, "TooManyRequestsException", "Rate Exceeded."),
    ],
)
@pytest.mark.assertion(13)
async def test_an_invoke_that_cannot_be_served_has_the_error_of_the_service(
    tmp_path, arguments, code, message
):
    async with client_for(tmp_path, throttled) as (client, _):
        with pytest.raises(ClientError) as refusal:
            await in_thread(client.invoke, **arguments)

    error = refusal.value.response["Error"]
    assert error["Code"] == code
    assert message in error["Message"]


@pytest.mark.parametrize("context", ["not base64!", "e25vIGpzb24=", "/w==", "WzFd", "{}"])
async def test_a_client_context_must_be_a_json_object_in_base64(tmp_path, context):
    async with client_for(tmp_path, hello) as (client, invoker):
        with pytest.raises(ClientError) as refusal:
            await in_thread(client.invoke, FunctionName="Hello", ClientContext=context)

    error = refusal.value.response["Error"]
    assert error["Code"] == "InvalidRequestContentException"
    assert error["Message"] == "Client context must be a valid Base64-encoded JSON object."
    assert invoker.events == []


async def test_the_service_error_for_a_function_that_cannot_be_started_says_why(tmp_path):
    async with client_for(tmp_path, unstartable) as (client, _):
        with pytest.raises(ClientError) as refusal:
            await in_thread(client.invoke, FunctionName="Hello")

    response = refusal.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert response["Error"]["Code"] == "ServiceException"
    assert response["Error"]["Message"].startswith("No further process can be started")


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("list_layers", {}),
        ("delete_function", {"FunctionName": "Hello"}),
    ],
)
async def test_other_operations_are_reported_as_not_served(tmp_path, operation, arguments):
    async with client_for(tmp_path, hello) as (client, _):
        with pytest.raises(ClientError, match="Lampwork serves Invoke, event source mappings"):
            await in_thread(getattr(client, operation), **arguments)


async def test_a_page_in_a_browser_may_not_invoke(tmp_path):
    invoker = FakeInvoker(Hello=hello)
    async with running_front(stack(functions=("Hello",)), invoker, tmp_path) as front:
        url = f"{front.origin}/2015-03-31/functions/Hello/invocations"
        page = {"Origin": "https://evil.example", "Content-Type": "text/plain"}
        async with httpx.AsyncClient() as browser:
            answer = await browser.post(url, headers=page, content=b'{"name": "Ada"}')

    assert answer.status_code == 403
    assert invoker.of("Hello") == []
