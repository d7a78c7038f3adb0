import asyncio
from dataclasses import replace

import httpx
import pytest

from lampwork.stack.authorization import IamAuthorizer, IdentitySource, LambdaAuthorizer
from lampwork.stack.model import HttpApi, HttpRoute
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front, stack

HEADER = IdentitySource("header", "X-Key")
SIMPLE = LambdaAuthorizer("Simple", "judge", (HEADER,), payload_format="2.0", simple_responses=True)
POLICY = LambdaAuthorizer("Policy", "judge", (HEADER,), payload_format="2.0")
ARN = "arn:aws:execute-api:us-east-1:000000000000:abc123defg/$default"


def policy(*statements, **answer):
    return {
        "principalId": "ada",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
                for effect, resource in statements
            ],
        },
        **answer,
    }


class Asked:
    """A front with `/pets/{id}` and `/toys` behind one authorizer, and its client."""

    def __init__(self, invoker: FakeInvoker, client: httpx.AsyncClient) -> None:
        self.invoker = invoker
        self._client = client

    async def __call__(self, path: str = "/toys", key: str | None = "k", **headers: str):
        sent = headers | ({} if key is None else {"X-Key": key})
        return await self._client.get(path, headers=sent)


@pytest.fixture
async def behind(tmp_path):
    fronts = []

    async def behind(authorizer, judge, *, payload_format="2.0", **options):
        work = lambda event: {"statusCode": 200}  # noqa: E731
        invoker = FakeInvoker(work=work, judge=judge)
        paths = ("/pets/{id}", "/toys")
        routes = tuple(
            HttpRoute("GET", path, "work", payload_format=payload_format, authorizer=authorizer)
            for path in paths
        )
        api = HttpApi("Api", "abc123defg", "$default", routes, {"tier": "gold"})
        running = running_front(stack(api), invoker, tmp_path, **options)
        front = await running.__aenter__()
        client = httpx.AsyncClient(base_url=front.origin)
        fronts.append((running, client))
        return Asked(invoker, client)

    yield behind
    for running, client in fronts:
        await client.aclose()
        await running.__aexit__(None, None, None)


async def test_a_simple_answer_opens_the_route_and_its_context_keeps_its_types(behind):
    context = {"number": 1, "flag": True, "list": ["a"], "map": {"b": 2}}
    asked = await behind(SIMPLE, lambda event: {"isAuthorized": True, "context": context})

    response = await asked()

    assert response.status_code == 200
    assert asked.invoker.of("work")[0]["requestContext"]["authorizer"] == {"lambda": context}


async def test_format_2_asks_with_the_routes_own_event(behind):
    asked = await behind(SIMPLE, lambda event: {"isAuthorized": True})

    await asked("/pets/6?a=1&a=2")

    (question,) = asked.invoker.of("judge")
    assert question.keys() == {
        *("version", "type", "routeArn", "identitySource", "routeKey", "rawPath"),
        *("rawQueryString", "headers", "queryStringParameters", "requestContext"),
        *("pathParameters", "stageVariables"),
    }
    assert (question["version"], question["type"]) == ("2.0", "REQUEST")
    assert question["routeArn"] == f"{ARN}/GET/pets/6"
    assert question["identitySource"] == ["k"]
    assert question["routeKey"] == "GET /pets/{id}"


async def test_format_1_asks_as_a_rest_api_does(behind):
    asked = await behind(
        replace(POLICY, payload_format="1.0"), lambda event: policy(("Allow", f"{ARN}/*"))
    )

    response = await asked("/pets/6")

    (question,) = asked.invoker.of("judge")
    assert response.status_code == 200
    assert question.keys() == {
        *("version", "type", "methodArn", "identitySource", "authorizationToken", "resource"),
        *("path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters"),
        *("multiValueQueryStringParameters", "pathParameters", "stageVariables"),
        "requestContext",
    }
    assert (question["version"], question["type"]) == ("1.0", "REQUEST")
    assert question["methodArn"] == f"{ARN}/GET/pets/6"
    assert question["authorizationToken"] == question["identitySource"] == "k"


async def test_a_request_without_its_identity_is_refused_without_asking_the_authorizer(behind):
    asked = await behind(SIMPLE, lambda event: {"isAuthorized": True})

    response = await asked(key=None)

    assert (response.status_code, response.text) == (401, '{"message":"Unauthorized"}')
    assert asked.invoker.events == []


@pytest.mark.parametrize(
    ("authorizer", "answer", "status"),
    [
        (SIMPLE, {"isAuthorized": False}, 403),
        (POLICY, policy(("Allow", f"{ARN}/GET/toys")), 200),
        (POLICY, policy(("Allow", f"{ARN}/*/toy?")), 200),
        (POLICY, policy(("Allow", "*")), 200),
        (POLICY, policy(("Allow", f"{ARN}/GET/pets/*")), 403),
        (POLICY, policy(("Allow", "*"), ("Deny", f"{ARN}/GET/toys")), 403),
        (POLICY, policy(), 403),
        # What is no verdict
        (SIMPLE, {"isAuthorized": "yes"}, 500),
        (SIMPLE, policy(("Allow", "*")), 500),
        (POLICY, {"isAuthorized": True}, 500),
        (POLICY, {"principalId": "ada"}, 500),
        (POLICY, policy(("Perhaps", "*")), 500),
        (POLICY, policy(("Allow", 7)), 500),
        (POLICY, policy(("Allow", "*"), context="text"), 500),
        (POLICY, None, 500),
        (POLICY, b"not json", 500),
    ],
)
async def test_the_verdict_decides_what_the_caller_sees(behind, authorizer, answer, status):
    asked = await behind(authorizer, lambda event: answer)

    response = await asked()

    bodies = {403: '{"message":"Forbidden"}', 500: '{"message":"Internal Server Error"}'}
    assert (response.status_code, response.text) == (status, bodies.get(status, ""))
    assert len(asked.invoker.of("work")) == (status == 200)


async def test_an_authorizer_that_fails_is_the_gateways_fault_and_is_named(behind, caplog):
    def fails(event):
        raise RuntimeError("secret detail")

    asked = await behind(SIMPLE, fails)

    response = await asked()

    assert (response.status_code, response.text) == (500, '{"message":"Internal Server Error"}')
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert (record.authorizer, record.reason) == ("Simple", "the function failed")


async def test_an_answer_is_cached_for_its_time_and_shared_by_all_routes(behind):
    kept = replace(SIMPLE, ttl_seconds=300)
    asked = await behind(kept, lambda event: {"isAuthorized": event["identitySource"] == ["k"]})

    statuses = [
        (await asked(path, key)).status_code
        for path, key in [("/toys", "k"), ("/pets/6", "k"), ("/toys", "x"), ("/toys", "x")]
    ]

    assert statuses == [200, 200, 403, 403]
    assert len(asked.invoker.of("judge")) == 2


async def test_a_cached_policy_is_evaluated_for_each_route(behind):
    kept = replace(POLICY, ttl_seconds=300)
    asked = await behind(kept, lambda event: policy(("Allow", event["routeArn"])))

    first, other = await asked("/toys"), await asked("/pets/6")

    assert (first.status_code, other.status_code) == (200, 403)
    assert len(asked.invoker.of("judge")) == 1


async def test_with_the_route_as_an_identity_each_route_has_its_own_cached_answer(behind):
    by_route = replace(
        POLICY, identity_sources=(HEADER, IdentitySource("context", "routeKey")), ttl_seconds=300
    )
    asked = await behind(by_route, lambda event: policy(("Allow", event["routeArn"])))

    first, other = await asked("/toys"), await asked("/pets/6")

    assert (first.status_code, other.status_code) == (200, 200)
    assert [question["identitySource"][1] for question in asked.invoker.of("judge")] == [
        "GET /toys",
        "GET /pets/{id}",
    ]


async def test_a_cached_answer_expires(behind):
    kept = replace(SIMPLE, ttl_seconds=3600)
    asked = await behind(kept, lambda event: {"isAuthorized": True}, time_scale=0.0001 / 3.6)

    await asked()
    await asyncio.sleep(0.11)
    await asked()

    assert len(asked.invoker.of("judge")) == 2


@pytest.mark.parametrize(
    ("source", "path", "status"),
    [
        (IdentitySource("querystring", "token"), "/toys?token=x", 200),
        (IdentitySource("querystring", "token"), "/toys?Token=x", 401),
        (IdentitySource("stageVariables", "tier"), "/toys", 200),
        (IdentitySource("stageVariables", "none"), "/toys", 401),
        (IdentitySource("context", "identity.sourceIp"), "/toys", 200),
        (IdentitySource("context", "nothing.here"), "/toys", 401),
    ],
)
async def test_an_identity_may_come_from_any_part_of_the_request(behind, source, path, status):
    authorizer = replace(SIMPLE, identity_sources=(source,))
    asked = await behind(authorizer, lambda event: {"isAuthorized": True})

    assert (await asked(path)).status_code == status


async def test_in_format_1_the_context_is_text_beside_the_principal(behind):
    answer = policy(("Allow", "*"), context={"number": 1, "flag": True, "text": "x"})
    asked = await behind(POLICY, lambda event: answer, payload_format="1.0")

    await asked()

    authorizer = asked.invoker.of("work")[0]["requestContext"]["authorizer"]
    assert authorizer.pop("integrationLatency") >= 0
    assert authorizer == {"number": "1", "flag": "true", "text": "x", "principalId": "ada"}


async def test_a_route_for_signed_requests_requires_a_signature(behind):
    asked = await behind(IamAuthorizer(), lambda event: None)
    signature = "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/execute-api/aws4_request"

    unsigned, signed = await asked(), await asked(Authorization=signature)

    assert (unsigned.status_code, unsigned.text) == (403, '{"message":"Forbidden"}')
    assert signed.status_code == 200
    caller = asked.invoker.of("work")[0]["requestContext"]["authorizer"]["iam"]
    assert caller["accessKey"] == "AKIA1"
