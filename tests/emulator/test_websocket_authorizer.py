from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from lampwork.stack.authorization import IamAuthorizer, IdentitySource, LambdaAuthorizer
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front, stack, websocket_api
from tests.emulator.test_lambda_authorizer import policy

ARN = "arn:aws:execute-api:us-east-1:000000000000:ws1234567/prod/$connect"
TOKEN = LambdaAuthorizer("Token", "judge", (IdentitySource("querystring", "token"),))


def ok(event):
    return {"statusCode": 200}


@asynccontextmanager
async def front_behind(tmp_path, judge, authorizer=TOKEN):
    invoker = FakeInvoker(connect=ok, disconnect=ok, default=ok, judge=judge)
    api = replace(
        websocket_api("$connect", "$disconnect", "$default"),
        authorizer=authorizer,
        stage_variables={"tier": "gold"},
    )
    async with running_front(stack(api), invoker, tmp_path) as front:
        yield f"ws://localhost:{front.port}/prod", invoker


async def refused(url: str, **options: object) -> int:
    with pytest.raises(InvalidStatus) as refusal:
        await connect(url, **options)  # type: ignore[arg-type]
    return refusal.value.response.status_code


async def test_an_allowed_caller_is_named_in_every_later_event(tmp_path):
    context = {"text": "x", "number": 1, "flag": True}
    judge = lambda event: policy(("Allow", event["methodArn"]), context=context)  # noqa: E731
    async with front_behind(tmp_path, judge) as (url, invoker):
        async with connect(f"{url}?token=t") as client:
            await client.send("{}")
            await invoker.event("default")
        await invoker.event("disconnect")

    for function in ("connect", "default", "disconnect"):
        (event,) = invoker.of(function)
        authorizer = dict(event["requestContext"]["authorizer"])
        assert isinstance(authorizer.pop("integrationLatency"), int)
        assert authorizer == {"text": "x", "number": "1", "flag": "true", "principalId": "ada"}
        assert event["stageVariables"] == {"tier": "gold"}


@pytest.mark.parametrize(
    ("judge", "status"),
    [
        (lambda event: policy(("Deny", "*")), 403),
        (lambda event: policy(("Allow", ARN.replace("prod", "other"))), 403),
        (lambda event: {"isAuthorized": True}, 500),
        (lambda event: None, 500),
    ],
)
@pytest.mark.assertion(11)
async def test_any_other_verdict_refuses_the_handshake_before_connect(tmp_path, judge, status):
    async with front_behind(tmp_path, judge) as (url, invoker):
        assert await refused(f"{url}?token=t") == status

    assert invoker.of("connect") == []


@pytest.mark.parametrize(("message", "status"), [("Unauthorized", 401), ("out of order", 500)])
@pytest.mark.assertion(11)
async def test_an_authorizer_that_raises_unauthorized_is_401_and_any_other_error_500(
    tmp_path, message, status
):
    def raises(event):
        raise RuntimeError(message)

    async with front_behind(tmp_path, raises) as (url, _):
        assert await refused(f"{url}?token=t") == status


@pytest.mark.assertion(11)
async def test_a_handshake_without_its_identity_is_refused_without_asking_the_authorizer(tmp_path):
    async with front_behind(tmp_path, ok) as (url, invoker):
        assert await refused(url) == 401

    assert invoker.events == []


async def test_the_authorizer_is_asked_about_every_handshake(tmp_path):
    authorizer = replace(TOKEN, ttl_seconds=300)
    judge = lambda event: policy(("Allow", "*"))  # noqa: E731
    async with front_behind(tmp_path, judge, authorizer) as (url, invoker):
        for _ in range(2):
            async with connect(f"{url}?token=t"):
                pass

    assert len(invoker.of("judge")) == 2


async def test_a_route_for_signed_handshakes_requires_a_signature(tmp_path):
    signature = "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/execute-api/aws4_request"
    async with front_behind(tmp_path, ok, IamAuthorizer()) as (url, _):
        assert await refused(url) == 403
        async with connect(url, additional_headers={"Authorization": signature}):
            pass


async def test_only_the_answer_of_a_two_way_route_goes_back_to_the_client(tmp_path):
    def greets(event):
        return {"statusCode": 200, "body": f"hello {event['body'][-4:-2]}"}

    api = websocket_api("ask", "tell", "$default")
    api = replace(api, routes={**api.routes, "ask": replace(api.routes["ask"], two_way=True)})
    invoker = FakeInvoker(ask=greets, tell=greets, default=greets)
    async with (
        running_front(stack(api), invoker, tmp_path) as front,
        connect(f"ws://localhost:{front.port}/prod") as client,
    ):
        await client.send('{"action": "tell", "n": "01"}')
        await invoker.event("tell")
        await client.send('{"action": "ask", "n": "02"}')

        assert await client.recv() == "hello 02"


@pytest.mark.parametrize("answer", [{"statusCode": 200, "body": {"a": 1}}, {"body": "no status"}])
async def test_a_two_way_answer_of_an_unknown_form_gives_an_error_frame(tmp_path, answer):
    api = websocket_api("$default")
    api = replace(api, routes={"$default": replace(api.routes["$default"], two_way=True)})
    async with (
        running_front(stack(api), FakeInvoker(default=lambda event: answer), tmp_path) as front,
        connect(f"ws://localhost:{front.port}/prod") as client,
    ):
        await client.send("{}")

        assert str(await client.recv()).startswith('{"message": "Internal server error", ')
