"""What other emulators get wrong, shown with real functions behind the real gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from lampwork.front.server import Front
from lampwork.stack.model import Stack
from tests.emulator.fronts import http_api
from tests.emulator.runtime_fixtures import Running, function, running

SOURCE = """
    import json, os, sys, time

    def handler(event, context):
        return globals()[event["rawPath"].strip("/")](event)

    def raises(event):
        raise ValueError("a secret")

    def returns_none(event):
        return None

    def takes_too_long(event):
        time.sleep(60)

    def ends_its_process(event):
        os._exit(0)

    def is_too_large(event):
        return "x" * 7_000_000

    def prints_json(event):
        print(json.dumps({"statusCode": 418, "body": "printed", "__offline_payload__": 1}))
        sys.stdout.flush()
        return {"statusCode": 200, "body": "returned"}

    def shows_the_environment(event):
        return dict(os.environ)

    def takes_binary(event):
        return {"statusCode": 200, "body": json.dumps([event["isBase64Encoded"], event["body"]])}
"""
FAILED = '{"message":"Internal Server Error"}'


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, Running]]:
    app = function(folder, SOURCE, timeout_seconds=1)
    stack = Stack(functions={"App": app}, http_apis=(http_api(("ANY", "/{name}", "App")),))
    async with running(app) as run:
        front = Front(stack, run.functions, data_dir=folder / ".data", port=0)
        await front.start()
        async with httpx.AsyncClient(base_url=front.origin, timeout=20) as client:
            yield client, run
        await front.stop()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/raises", 500, FAILED),
        ("/returns_none", 200, "null"),
        ("/takes_too_long", 500, FAILED),
        ("/ends_its_process", 500, FAILED),
        ("/is_too_large", 500, FAILED),
        ("/prints_json", 200, "returned"),
    ],
)
async def test_the_client_gets_what_aws_would_send_and_the_next_request_is_served(
    tmp_path: Path, path: str, status: int, body: str
) -> None:
    async with serving(tmp_path) as (client, _):
        answer = await client.get(path)
        next_one = await client.get("/prints_json")

    assert (answer.status_code, answer.text) == (status, body)
    assert (next_one.status_code, next_one.text) == (200, "returned")


async def test_a_function_sees_no_variable_of_the_emulators_own(
    tmp_path: Path, parents_secret: str
) -> None:
    async with serving(tmp_path) as (client, _):
        seen = await client.get("/shows_the_environment")

    assert seen.json()["AWS_LAMBDA_FUNCTION_NAME"] == "app"
    assert parents_secret not in seen.text


async def test_a_binary_body_reaches_the_function_as_base64(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, _):
        answer = await client.post("/takes_binary", content=bytes(range(4)))

    assert answer.json() == [True, "AAECAw=="]


@pytest.fixture
def parents_secret(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SECRET_OF_THE_PARENT", "hunter2-of-the-parent")
    return "hunter2-of-the-parent"
