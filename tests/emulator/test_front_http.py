import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from lampwork.errors import Throttled, TooManyEnvironments
from lampwork.front.server import Front
from lampwork.stack.load_balancers import Condition, FixedResponse, Listener, ListenerRule
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import http_api, running_front, stack

ECHO = http_api(("ANY", "/echo", "echo"), ("GET", "/pets/{id}", "echo"))


def echo(event):
    return {"statusCode": 200, "body": json.dumps(event)}


def fails(event):
    raise RuntimeError("secret detail")


def throttled(event):
    raise Throttled("The reserved concurrency of 1 is used up.")


def too_many(event):
    raise TooManyEnvironments("20 processes run.")


async def get(front: Front, path: str, **options: object) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        return await client.get(front.origin + path, **options)  # type: ignore[arg-type]


async def test_a_request_reaches_its_function_and_its_answer_the_client(tmp_path: Path):
    invoker = FakeInvoker(echo=echo)
    async with running_front(stack(ECHO), invoker, tmp_path) as front:
        response = await get(front, "/pets/6?a=1")

    assert response.status_code == 200
    assert response.json()["pathParameters"] == {"id": "6"}
    assert response.json()["requestContext"]["domainName"] == f"localhost:{front.port}"
    assert response.headers["apigw-requestid"] == response.json()["requestContext"]["requestId"]


@pytest.mark.parametrize(
    ("handler", "status", "message"),
    [
        (fails, 500, "Internal Server Error"),
        (lambda event: {"statusCode": "x"}, 500, "Internal Server Error"),
        (lambda event: b"not json", 500, "Internal Server Error"),
        (throttled, 503, "Service Unavailable"),
        (too_many, 503, "Service Unavailable"),
    ],
)
async def test_the_gateway_answers_for_a_function_that_does_not(tmp_path, handler, status, message):
    async with running_front(stack(ECHO), FakeInvoker(echo=handler), tmp_path) as front:
        response = await get(front, "/echo")

    assert (response.status_code, response.text) == (status, f'{{"message":"{message}"}}')
    assert response.headers["content-type"] == "application/json"
    assert response.headers["apigw-requestid"]


async def test_why_a_function_was_not_run_is_logged(tmp_path, caplog):
    async with running_front(stack(ECHO), FakeInvoker(echo=throttled), tmp_path) as front:
        await get(front, "/echo")

    assert [record.reason for record in caplog.records if record.levelname == "WARNING"] == [
        "The reserved concurrency of 1 is used up."
    ]


async def test_a_function_slower_than_its_integration_runs_on_while_the_client_gets_503(tmp_path):
    may_end, ended = asyncio.Event(), asyncio.Event()

    async def slow(event):
        await may_end.wait()
        ended.set()

    api = http_api(("GET", "/echo", "echo"), timeout=0.05)
    async with running_front(stack(api), FakeInvoker(echo=slow), tmp_path) as front:
        response = await get(front, "/echo")
        may_end.set()
        await asyncio.wait_for(ended.wait(), 5)

    assert (response.status_code, response.text) == (503, '{"message":"Service Unavailable"}')


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/pets/6")])
async def test_an_unknown_path_or_method_is_not_found(tmp_path, method, path):
    async with (
        running_front(stack(ECHO), FakeInvoker(echo=echo), tmp_path) as front,
        httpx.AsyncClient() as client,
    ):
        response = await client.request(method, front.origin + path)

    assert (response.status_code, response.text) == (404, '{"message":"Not Found"}')


async def test_a_path_that_cannot_be_decoded_is_refused(tmp_path):
    """hotsock/voker, vokerhttp/testdata/ingress-paths.json: AWS answers 400"""
    invoker = FakeInvoker(echo=echo)
    async with running_front(stack(ECHO), invoker, tmp_path) as front:
        response = await get(front, "/pets/percent%25done")

    assert (response.status_code, response.json()) == (400, {"message": "Bad Request"})
    assert invoker.events == []


async def test_format_1_spells_some_headers_anew_and_has_the_length(tmp_path):
    """milliHQ/terraform-aws-next-js pull request 31, an event captured on AWS"""
    route = replace(ECHO.routes[1], payload_format="1.0")
    api = replace(ECHO, routes=(route,))
    async with running_front(stack(api), FakeInvoker(echo=echo), tmp_path) as front:
        sent = {"user-agent": "x", "accept": "text/html"}
        event = (await get(front, "/pets/a%20b", headers=sent)).json()

    assert event["path"] == "/pets/a b"
    assert event["headers"]["Content-Length"] == "0"
    assert event["headers"]["User-Agent"] == "x"
    assert event["headers"]["Host"] == f"localhost:{front.port}"
    assert event["headers"]["accept"] == "text/html"


async def test_a_body_over_10_mb_is_refused(tmp_path):
    async with (
        running_front(stack(ECHO), FakeInvoker(echo=echo), tmp_path) as front,
        httpx.AsyncClient() as client,
    ):
        response = await client.post(front.origin + "/echo", content=b"x" * (10 * 1024**2 + 1))

    assert (response.status_code, response.text) == (413, '{"message":"Request Entity Too Large"}')


async def test_a_named_stage_is_the_first_segment_and_comes_before_the_default(tmp_path):
    default = http_api(("ANY", "$default", "other"))
    named = http_api(("GET", "/pets/{id}", "echo"), stage="prod")
    invoker = FakeInvoker(echo=echo, other=lambda event: "default")
    async with running_front(stack(default, named), invoker, tmp_path) as front:
        in_stage = await get(front, "/prod/pets/6")
        outside = await get(front, "/pets/6")

    assert in_stage.json()["rawPath"] == "/prod/pets/6"
    assert in_stage.json()["pathParameters"] == {"id": "6"}
    assert outside.text == "default"


async def test_new_routes_serve_after_an_update(tmp_path):
    async with running_front(stack(), FakeInvoker(echo=echo), tmp_path) as front:
        before = await get(front, "/echo")
        front.update(stack(ECHO))
        after = await get(front, "/echo")

    assert (before.status_code, after.status_code) == (404, 200)


async def test_stopping_lets_a_request_under_way_end(tmp_path):
    may_end = asyncio.Event()

    async def slow(event):
        await may_end.wait()
        return "done"

    invoker = FakeInvoker(echo=slow)
    async with running_front(stack(ECHO), invoker, tmp_path) as front:
        request = asyncio.create_task(get(front, "/echo"))
        await invoker.event("echo")
        stopping = asyncio.create_task(front.stop())
        await asyncio.sleep(0)
        may_end.set()

        assert (await request).text == "done"
        await stopping


async def test_health_says_that_the_front_is_up(tmp_path):
    async with running_front(stack(), FakeInvoker(), tmp_path) as front:
        health = await get(front, "/_lampwork/health")
        unknown = await get(front, "/_lampwork/other")

    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert unknown.status_code == 404


async def test_a_body_over_6_mb_in_base64_is_too_large_for_lambda(tmp_path):
    data = b"a" * (5 * 1024 * 1024)
    invoker = FakeInvoker(echo=lambda event: {"statusCode": 200})
    async with (
        running_front(stack(ECHO), invoker, tmp_path) as front,
        httpx.AsyncClient() as client,
    ):
        text = await client.post(
            f"{front.origin}/echo", content=data, headers={"Content-Type": "text/plain"}
        )
        binary = await client.post(f"{front.origin}/echo", content=data)

    assert (text.status_code, binary.status_code) == (200, 413)
    assert binary.text == '{"message":"Request Entity Too Large"}'


@pytest.mark.parametrize(
    ("path", "status", "answered"),
    [("/live/echo", 200, "live"), ("/live/else", 404, ""), ("/else", 200, "$default")],
)
async def test_a_path_of_a_named_stage_belongs_to_no_other_stage(tmp_path, path, status, answered):
    live = http_api(("ANY", "/echo", "echo"), stage="live")
    default = http_api(("ANY", "$default", "echo"))
    say = lambda event: {"statusCode": 200, "body": event["requestContext"]["stage"]}  # noqa: E731
    async with running_front(stack(default, live), FakeInvoker(echo=say), tmp_path) as front:
        response = await get(front, path)

    assert (response.status_code, response.text) == (status, answered or '{"message":"Not Found"}')


async def test_each_of_several_apis_answers_under_its_own_host(tmp_path):
    first = replace(http_api(("ANY", "$default", "first")), api_id="first12345")
    second = replace(http_api(("ANY", "$default", "second")), api_id="second1234")
    invoker = FakeInvoker(
        first=lambda event: {"statusCode": 200, "body": "first"},
        second=lambda event: {"statusCode": 200, "body": "second"},
    )
    async with running_front(stack(first, second), invoker, tmp_path) as front:
        answers = [
            (await get(front, "/", headers={"Host": host})).text
            for host in ("localhost", "second1234.execute-api.eu-west-1.localhost", "127.0.0.1")
        ]

    assert answers == ["first", "second", "first"]


async def test_a_request_to_this_machine_is_answered_by_whatever_name(tmp_path):
    names = (
        *("localhost", "LOCALHOST:8000", "127.0.0.1", "192.168.1.20:8000", "[::1]:8000"),
        *("app.localhost", "abc123defg.execute-api.localhost:8000", "xyz.lambda-url.localhost."),
        *("abc123defg.execute-api.us-east-1.amazonaws.com", "xyz.lambda-url.eu-west-1.on.aws"),
        *("host.docker.internal:8000", "phone.test", "shop.example.com", "api.example.com:8000"),
    )
    async with guarded_front(tmp_path) as front:
        answers = {name: await get(front, "/hello", headers={"Host": name}) for name in names}

    assert {name: each.status_code for name, each in answers.items()} == dict.fromkeys(names, 200)


@pytest.mark.parametrize("path", ["/hello", "/", "/live/@connections/abc", "/_lampwork/health"])
async def test_a_page_whose_name_was_made_to_resolve_here_reaches_nothing(tmp_path, path):
    names = (
        *("evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example", "evil-localhost"),
        *("phone.test.evil.example", "evil.execute-api.example", "amazonaws.com", "1.2.3.4.5"),
        *("abc123defg.execute-api.us-east-1.amazonaws.com.evil.example", "api.example.com.evil"),
        *("other.shop.example.com", "any.example.com", "*"),
    )
    async with guarded_front(tmp_path) as front:
        for name in [*names, *names]:  # the second time it has been seen
            answer = await get(front, path, headers={"Host": name.encode("latin-1")})

            assert (name, answer.status_code) == (name, 403)
            assert "--allowed-host" in answer.json()["message"]


async def test_a_socket_under_a_foreign_name_is_refused(tmp_path):
    async with guarded_front(tmp_path) as front:
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Host": "evil.example"}

        assert (await get(front, "/prod", headers=upgrade)).status_code == 403


@asynccontextmanager
async def guarded_front(folder: Path) -> AsyncIterator[Front]:
    """A front with an API, custom names of its template, and a name that the user allows."""
    target = FixedResponse(200)
    hosts = Condition("host-header", ("shop.example.com", "*.example.com"))
    listener = Listener("Listener", "listener12", (ListenerRule(target, (hosts,)),))
    served = replace(
        stack(http_api(("GET", "/hello", "hello"))),
        load_balancers=(listener,),
        domains=("api.example.com",),
    )
    invoker = FakeInvoker(hello=lambda event: {"statusCode": 200})
    front = Front(served, invoker, data_dir=folder, port=0, allowed_hosts=["Phone.test"])
    await front.start()
    try:
        yield front
    finally:
        await front.stop()
