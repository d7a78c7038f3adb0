import asyncio
import base64
import json
import re

import httpx
import pytest

from lampwork.errors import Throttled
from lampwork.stack.authorization import IamAuthorizer, IdentitySource, LambdaAuthorizer
from lampwork.stack.model import GatewayResponse, HttpRoute, RestApi, Stack
from lampwork.stack.rest_methods import Integration, IntegrationResponse
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front
from tests.emulator.test_lambda_authorizer import policy

TOKEN = LambdaAuthorizer(
    "Token", "judge", (IdentitySource("header", "X-Token"),), kind="TOKEN", pattern="secret-.*"
)
REQUEST = LambdaAuthorizer("Request", "judge", (IdentitySource("querystring", "key"),), 300)
MOCK = Integration(
    "MOCK",
    templates={"application/json": "{statusCode: 200}"},
    responses=(IntegrationResponse(200, None, {"X-Fixed": "'yes'"}, {"application/json": "{}"}),),
)
ROUTES = (
    HttpRoute("POST", "/items/{id}", "work", timeout_seconds=0.2),
    HttpRoute("ANY", "/files/{proxy+}", "work"),
    HttpRoute("GET", "/token", "work", authorizer=TOKEN),
    HttpRoute("GET", "/request/{id}", "work", authorizer=REQUEST),
    HttpRoute("GET", "/signed", "work", authorizer=IamAuthorizer()),
    HttpRoute("OPTIONS", "/items/{id}", "", integration=MOCK),
)
ARN = "arn:aws:execute-api:us-east-1:000000000000:rest123456/prod"


@pytest.fixture
async def rest(tmp_path):
    running = []

    async def rest(work=None, judge=None, **settings):
        handlers = {"work": work or (lambda event: {"statusCode": 200}), "judge": judge}
        invoker = FakeInvoker(**handlers)
        api = RestApi("Api", "rest123456", "prod", ROUTES, **settings)
        running_ = running_front(Stack(functions={}, rest_apis=(api,)), invoker, tmp_path)
        front = await running_.__aenter__()
        client = httpx.AsyncClient(base_url=front.origin)
        running.append((running_, client))
        return client, invoker

    yield rest
    for running_, client in running:
        await client.aclose()
        await running_.__aexit__(None, None, None)


async def test_an_event_has_format_1_with_null_for_what_is_missing(rest):
    client, invoker = await rest()

    response = await client.post("/prod/items/a%20b?x=1&x=2", headers={"X-Many": "v"}, json={})

    (event,) = invoker.of("work")
    assert response.status_code == 200
    assert event.keys() == {
        *("resource", "path", "httpMethod", "headers", "multiValueHeaders", "requestContext"),
        *("queryStringParameters", "multiValueQueryStringParameters", "pathParameters"),
        *("stageVariables", "body", "isBase64Encoded"),
    }
    assert (event["resource"], event["path"]) == ("/items/{id}", "/items/a%20b")
    assert event["queryStringParameters"] == {"x": "2"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"]}
    assert event["pathParameters"] == {"id": "a%20b"}
    assert event["stageVariables"] is None
    assert (event["body"], event["isBase64Encoded"]) == ("{}", False)
    assert event["headers"]["X-Many"] == "v"
    assert event["multiValueHeaders"]["X-Many"] == ["v"]
    context = event["requestContext"]
    assert (context["path"], context["stage"]) == ("/prod/items/a%20b", "prod")
    assert context["requestId"] == response.headers["x-amzn-requestid"]
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", context["requestId"])
    assert "authorizer" not in context


async def test_an_answer_is_sent_with_its_single_value_and_multi_value_headers(rest):
    answer = {
        "statusCode": 201,
        "headers": {"X-One": "1"},
        "multiValueHeaders": {"X-Many": ["a", "b"]},
        "body": "hello",
    }
    client, _ = await rest(lambda event: answer)

    response = await client.get("/prod/files/a")

    assert (response.status_code, response.text) == (201, "hello")
    assert response.headers["content-type"] == "application/json"
    assert response.headers.get_list("x-many") == ["a", "b"]


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/prod/nowhere", "Missing Authentication Token"),
        ("GET", "/prod/items/1", "Missing Authentication Token"),
        ("GET", "/prod", "Missing Authentication Token"),
        ("GET", "/prod/signed", "Missing Authentication Token"),
        ("GET", "/other/items/1", "Forbidden"),
        ("GET", "/", "Forbidden"),
    ],
)
async def test_a_request_without_a_route_is_forbidden(rest, method, path, message):
    client, invoker = await rest()

    response = await client.request(method, path)

    assert (response.status_code, response.text) == (403, f'{{"message":"{message}"}}')
    kind = message.replace(" ", "") + "Exception"
    assert response.headers["x-amzn-errortype"] == kind
    assert invoker.events == []


def fails(event):
    raise RuntimeError("secret detail")


async def hangs(event):
    await asyncio.Event().wait()


def throttled(event):
    raise Throttled("used up")


@pytest.mark.parametrize(
    ("work", "status", "message"),
    [
        (fails, 502, "Internal server error"),
        (lambda event: "text", 502, "Internal server error"),
        (lambda event: None, 502, "Internal server error"),
        (throttled, 500, "Internal server error"),
        (hangs, 504, "Endpoint request timed out"),
    ],
)
async def test_the_gateway_answers_for_a_function_that_does_not(rest, work, status, message):
    client, _ = await rest(work)

    response = await client.post("/prod/items/1")

    assert (response.status_code, response.text) == (status, f'{{"message":"{message}"}}')
    assert response.headers["x-amzn-errortype"] == "InternalServerErrorException"


@pytest.mark.parametrize(
    ("types", "sent", "text"),
    [
        ((), "image/png", False),
        (("image/png",), "image/png", True),
        (("image/*",), "image/png; q=1", True),
        (("*/*",), "application/json", True),
        (("image/png",), "text/plain", False),
    ],
)
async def test_bodies_of_binary_media_types_are_base64_both_ways(rest, types, sent, text):
    data = base64.b64encode(b"\x89PNG").decode()
    answer = {"statusCode": 200, "body": data, "isBase64Encoded": True}
    client, invoker = await rest(lambda event: answer, binary_media_types=types)

    response = await client.post(
        "/prod/items/1", content=b"data", headers={"Content-Type": sent, "Accept": sent}
    )

    (event,) = invoker.of("work")
    assert event["isBase64Encoded"] is text
    assert event["body"] == (base64.b64encode(b"data").decode() if text else "data")
    assert response.content == (b"\x89PNG" if text else data.encode())


async def test_a_token_authorizer_is_asked_with_the_token_alone(rest):
    client, invoker = await rest(judge=lambda event: policy(("Allow", f"{ARN}/GET/token")))

    response = await client.get("/prod/token", headers={"X-Token": "secret-1"})

    assert response.status_code == 200
    assert invoker.of("judge") == [
        {"type": "TOKEN", "methodArn": f"{ARN}/GET/token", "authorizationToken": "secret-1"}
    ]
    authorizer = invoker.of("work")[0]["requestContext"]["authorizer"]
    assert authorizer["principalId"] == "ada"


@pytest.mark.parametrize("headers", [{}, {"X-Token": "other"}])
async def test_the_authorizer_is_not_asked_about_a_missing_or_unmatched_token(rest, headers):
    client, invoker = await rest(judge=lambda event: policy(("Allow", "*")))

    response = await client.get("/prod/token", headers=headers)

    assert (response.status_code, response.text) == (401, '{"message":"Unauthorized"}')
    assert response.headers["x-amzn-errortype"] == "UnauthorizedException"
    assert invoker.events == []


def refuses(event):
    raise ValueError("Unauthorized")


@pytest.mark.parametrize(
    ("judge", "status", "body"),
    [
        (
            lambda event: policy(("Deny", "*")),
            403,
            {"Message": "User is not authorized to access this resource with an explicit deny"},
        ),
        (
            lambda event: policy(("Allow", "arn:other")),
            403,
            {"Message": "User is not authorized to access this resource"},
        ),
        (refuses, 401, {"message": "Unauthorized"}),
        (fails, 500, {"message": None}),
        (lambda event: {"isAuthorized": True}, 500, {"message": None}),
    ],
)
async def test_an_authorizers_refusal_has_rests_own_words(rest, judge, status, body):
    client, invoker = await rest(judge=judge)

    response = await client.get("/prod/token", headers={"X-Token": "secret-1"})

    assert (response.status_code, response.json()) == (status, body)
    assert invoker.of("work") == []


async def test_a_request_authorizers_answer_is_cached(rest):
    client, invoker = await rest(judge=lambda event: policy(("Allow", f"{ARN}/GET/request/*")))

    statuses = [
        (await client.get(f"/prod/request/{id}?key={key}")).status_code
        for id, key in [(1, "a"), (2, "a"), (1, "b")]
    ]

    assert statuses == [200, 200, 200]
    questions = invoker.of("judge")
    assert [question["queryStringParameters"] for question in questions] == [
        {"key": "a"},
        {"key": "b"},
    ]
    assert questions[0].keys() == {
        *("type", "methodArn", "resource", "path", "httpMethod", "headers", "multiValueHeaders"),
        *("queryStringParameters", "multiValueQueryStringParameters", "pathParameters"),
        *("stageVariables", "requestContext"),
    }
    assert questions[0]["stageVariables"] == {}


async def test_the_identity_of_a_request_says_who_signed_it(rest):
    client, invoker = await rest()
    signature = "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/execute-api/aws4_request"

    response = await client.get("/prod/signed", headers={"Authorization": signature})

    context = invoker.of("work")[0]["requestContext"]
    assert response.status_code == 200
    assert (context["identity"]["accessKey"], context["identity"]["user"]) == ("AKIA1", "AKIA1")
    assert "authorizer" not in context


async def test_a_mock_needs_no_function(rest):
    client, invoker = await rest()

    response = await client.options("/prod/items/1")

    assert (response.status_code, response.text) == (200, "{}")
    assert response.headers["x-fixed"] == "yes"
    assert invoker.events == []


async def test_the_template_may_word_the_gateways_errors(rest):
    client, _ = await rest(
        fails,
        gateway_responses={
            "MISSING_AUTHENTICATION_TOKEN": GatewayResponse(
                404,
                {"X-From": "method.request.header.Origin", "X-Quoted": "'*'"},
                '{"error": $context.error.messageString, "type": "$context.error.responseType"}',
            ),
            "DEFAULT_5XX": GatewayResponse(headers={"X-Any": "'5xx'"}),
        },
    )

    worded = await client.get("/prod/nowhere", headers={"Origin": "https://a.example"})
    default = await client.get("/prod/files/a")

    assert worded.status_code == 404
    assert json.loads(worded.text) == {
        "error": "Missing Authentication Token",
        "type": "MISSING_AUTHENTICATION_TOKEN",
    }
    assert worded.headers["x-from"] == "https://a.example"
    assert worded.headers["x-quoted"] == "*"
    assert (default.status_code, default.headers["x-any"]) == (502, "5xx")
