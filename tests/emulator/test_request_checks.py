"""Request validation, API keys and usage plans of REST APIs."""

import json
import re
from datetime import UTC, datetime

import httpx
import pytest

from lampwork.errors import TemplateError
from lampwork.front.http.rest.api_keys import UsagePlans
from lampwork.front.http.rest_errors import QUOTA_EXCEEDED, THROTTLED
from lampwork.http.request import Request
from lampwork.stack.authorization import IdentitySource, LambdaAuthorizer
from lampwork.stack.model import HttpRoute, RestApi, Stack
from lampwork.stack.rest_methods import ApiKey, UsagePlan
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front
from tests.emulator.stacks import read_text
from tests.emulator.test_lambda_authorizer import policy

CASE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Books:
    Type: AWS::Serverless::Api
    Properties:
      StageName: Prod
      GatewayResponses:
        BAD_REQUEST_BODY:
          ResponseTemplates:
            application/json: '{"why": "$context.error.validationErrorString"}'
      Models:
        Book:
          type: object
          required: [title, year]
          properties: {title: {type: string}, year: {type: integer, minimum: 1450}}
  Add:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.13
      Handler: app.handler
      CodeUri: .
      Events:
        Post:
          Type: Api
          Properties:
            RestApiId: !Ref Books
            Path: /books
            Method: post
            RequestModel: {Model: Book, Required: true, ValidateBody: true}
        Find:
          Type: Api
          Properties:
            RestApiId: !Ref Books
            Path: /books/{id}
            Method: get
            RequestModel: {Model: Book, ValidateParameters: true}
            RequestParameters:
            - method.request.header.X-Tenant: {Required: true}
            - method.request.querystring.q: {Required: true}
            - method.request.querystring.optional
"""
RAW = """
Resources:
  Work:
    Type: AWS::Lambda::Function
    Properties: {Handler: app.handler, Runtime: python3.11, Code: .}
  Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: api}}
  Checks:
    Type: AWS::ApiGateway::RequestValidator
    Properties: {RestApiId: !Ref Api, ValidateRequestBody: true}
  Status:
    Type: AWS::ApiGateway::Model
    Properties:
      RestApiId: !Ref Api
      Name: StatusModel
      ContentType: application/json
      Schema:
        type: object
        properties: {Status: {type: string}, Order: {type: integer}}
        required: [Status, Order]
  Model:
    Type: AWS::ApiGateway::Model
    Properties:
      RestApiId: !Ref Api
      Name: TestModel
      ContentType: application/json
      Schema:
        type: object
        properties:
          status:
            oneOf:
            - {type: "null"}
            - $ref: !Sub "https://apigateway.amazonaws.com/restapis/${Api}/models/StatusModel"
        required: [status]
  Post:
    Type: AWS::ApiGateway::Method
    Properties:
      RestApiId: !Ref Api
      ResourceId: !GetAtt Api.RootResourceId
      HttpMethod: POST
      RequestValidatorId: !Ref Checks
      RequestModels: {application/json: !Ref Model}
      Integration:
        Type: AWS_PROXY
        Uri: !Sub
        - "arn:aws:apigateway:${AWS::Region}:lambda:path/${Path}/${Work.Arn}/invocations"
        - {Path: 2015-03-31/functions}
  Deployment:
    Type: AWS::ApiGateway::Deployment
    Properties: {RestApiId: !Ref Api, StageName: Prod}
"""


@pytest.fixture
async def served(tmp_path):
    running = []

    async def served(stack):
        answer = {"statusCode": 200, "body": "called"}
        invoker = FakeInvoker(Add=lambda event: answer, Work=lambda event: answer, judge=judge)
        running_ = running_front(stack, invoker, tmp_path)
        front = await running_.__aenter__()
        client = httpx.AsyncClient(base_url=f"{front.origin}/Prod")
        running.append((running_, client))
        return client, invoker

    yield served
    for running_, client in running:
        await client.aclose()
        await running_.__aexit__(None, None, None)


def judge(event):
    return policy(("Allow", "*"), usageIdentifierKey=event["authorizationToken"])


BOOK = {"title": "x", "year": 1999}


@pytest.mark.parametrize(
    "body",
    [
        {"title": "x", "year": 1},
        {"title": "x"},
        {"title": 1, "year": 1999},
        [],
        "not json",
        None,
    ],
)
async def test_a_body_that_is_not_the_models_is_refused(tmp_path, served, body):
    """localstack/localstack, test_apigateway_common.snapshot.json,
    test_api_gateway_request_validator"""
    plain = re.sub("      GatewayResponses:.*?      Models:", "      Models:", CASE, flags=re.S)
    client, invoker = await served(read_text(tmp_path, plain))
    content = body if isinstance(body, str) else json.dumps(body)

    headers = {"Content-Type": "application/json"}
    response = await client.post("/books", content="" if body is None else content, headers=headers)

    assert (response.status_code, response.json()) == (400, {"message": "Invalid request body"})
    assert response.headers["x-amzn-errortype"] == "BadRequestException"
    assert invoker.events == []
    assert (await client.post("/books", json=BOOK)).text == "called"


async def test_a_template_may_say_what_is_wrong_with_a_body(tmp_path, served):
    """docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference"""
    client, _ = await served(read_text(tmp_path, CASE))

    missing = await client.post("/books", json={"title": "x"})
    wrong = await client.post("/books", json={"title": "x", "year": "1999"})

    assert missing.text == '{"why": "[object has missing required properties (["year"])]"}'
    assert "instance type (string) does not match any allowed primitive type" in wrong.text


async def test_a_type_without_a_model_is_not_looked_at(tmp_path, served):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-method-request-validation.html"""
    client, _ = await served(read_text(tmp_path, CASE))

    headers = {"Content-Type": "application/xml"}
    assert (await client.post("/books", content="<a/>", headers=headers)).text == "called"


@pytest.mark.parametrize(
    ("headers", "query", "missing"),
    [
        ({}, "", "X-Tenant, q"),
        ({"x-tenant": "a"}, "", "q"),
        ({"X-Tenant": "a"}, "?q=", "q"),
        ({"X-Tenant": ""}, "?q=1", "X-Tenant"),
    ],
)
async def test_missing_and_blank_parameters_are_listed(tmp_path, served, headers, query, missing):
    """localstack/localstack, test_api_gateway_request_validator;
    https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-validation-test.html
    """
    client, invoker = await served(read_text(tmp_path, CASE))

    response = await client.get(f"/books/1{query}", headers=headers)

    message = f"Missing required request parameters: [{missing}]"
    assert (response.status_code, response.json()) == (400, {"message": message})
    assert invoker.events == []
    good = await client.get("/books/1?q=1", headers={"X-Tenant": "a"})
    assert good.text == "called"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"status": None}, 200),
        ({"status": {"Status": "ok", "Order": 1}}, 200),
        ({}, 400),
        ({"status": {"Status": "ok", "Order": "1"}}, 400),
    ],
)
async def test_models_may_refer_to_each_other(tmp_path, served, body, status):
    """localstack/localstack, test_api_gateway_request_validator_with_ref_one_ofmodels"""
    client, _ = await served(read_text(tmp_path, RAW))

    assert (await client.post("", json=body)).status_code == status


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("!Ref Checks", "other", "the RequestValidatorId of Post is not a validator"),
        ("!Ref Model", "Other", "the model 'Other' of Post is not in its API"),
        ("type: object\n", "type: thing\n", "not a JSON schema"),
    ],
)
def test_checks_that_cannot_be_made_are_said(tmp_path, before, after, problem):
    with pytest.raises(TemplateError, match=problem):
        read_text(tmp_path, RAW.replace(before, after))


# API keys

KEY = ApiKey("Key", "key1234567", "key", "a-long-value-of-20-c")
PLAN = UsagePlan("plan123456", (KEY,))
ROUTE = HttpRoute("GET", "/it", "Add", payload_format="1.0", needs_api_key=True)


def with_plan(plan, route=ROUTE, **settings):
    api = RestApi("Api", "rest123456", "Prod", (route,), usage_plans=(plan,), **settings)
    return Stack({}, rest_apis=(api,))


@pytest.mark.parametrize("headers", [{}, {"x-api-key": "other"}])
async def test_a_request_without_a_key_of_the_plan_is_forbidden(served, headers):
    """localstack/localstack, test_apigateway_common.py, test_api_key_required_for_methods"""
    client, invoker = await served(with_plan(PLAN))

    response = await client.get("/it", headers=headers)

    assert (response.status_code, response.json()) == (403, {"message": "Forbidden"})
    assert response.headers["x-amzn-errortype"] == "ForbiddenException"
    assert invoker.events == []


async def test_the_key_is_in_the_events_identity(served):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-mapping-template-reference.html"""
    client, invoker = await served(with_plan(PLAN))

    response = await client.get("/it", headers={"X-API-Key": KEY.value})

    identity = invoker.of("Add")[0]["requestContext"]["identity"]
    assert response.text == "called"
    assert (identity["apiKey"], identity["apiKeyId"]) == (KEY.value, KEY.key_id)


async def test_a_disabled_key_is_forbidden(served):
    """localstack/localstack, test_api_key_required_for_methods"""
    disabled = ApiKey("Key", "key1234567", "key", KEY.value, enabled=False)
    client, _ = await served(with_plan(UsagePlan("plan123456", (disabled,))))

    assert (await client.get("/it", headers={"x-api-key": KEY.value})).status_code == 403


async def test_an_authorizer_may_give_the_key(served):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-key-source.html"""
    source = (IdentitySource("header", "Authorization"),)
    route = HttpRoute(
        *("GET", "/it", "Add"),
        payload_format="1.0",
        authorizer=LambdaAuthorizer("Judge", "judge", source, kind="TOKEN"),
        needs_api_key=True,
    )
    client, _ = await served(with_plan(PLAN, route, api_key_source="AUTHORIZER"))

    good = await client.get("/it", headers={"Authorization": KEY.value})
    bad = await client.get("/it", headers={"Authorization": "x", "x-api-key": KEY.value})

    assert (good.status_code, bad.status_code) == (200, 403)


REQUEST = Request("GET", "/", [("x-api-key", KEY.value)], b"", ("", 0), False)


def test_more_requests_than_the_plan_allows_are_throttled():
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-request-throttling.html"""
    clock = [0.0]
    plan = UsagePlan("plan123456", (KEY,), rate=2, burst=3)
    plans = UsagePlans(with_plan(plan).rest_apis[0], clock=lambda: clock[0])

    assert [plans.admit(REQUEST, None) for _ in range(4)] == [KEY, KEY, KEY, THROTTLED]
    clock[0] = 0.5
    assert [plans.admit(REQUEST, None) for _ in range(2)] == [KEY, THROTTLED]


@pytest.mark.parametrize(
    ("period", "same", "next"),
    [
        ("DAY", "2026-03-04T23:59", "2026-03-05T00:00"),
        ("WEEK", "2026-03-07T23:59", "2026-03-08T00:00"),
        ("MONTH", "2026-03-31T23:59", "2026-04-01T00:00"),
    ],
)
def test_a_quota_is_for_its_period(period, same, next):
    now = ["2026-03-04T12:00"]
    plan = UsagePlan("plan123456", (KEY,), quota=2, period=period)
    plans = UsagePlans(
        with_plan(plan).rest_apis[0],
        now=lambda: datetime.fromisoformat(now[0]).replace(tzinfo=UTC),
    )

    assert [plans.admit(REQUEST, None) for _ in range(3)] == [KEY, KEY, QUOTA_EXCEEDED]
    now[0] = same
    assert plans.admit(REQUEST, None) == QUOTA_EXCEEDED
    now[0] = next
    assert plans.admit(REQUEST, None) == KEY


async def test_a_used_up_quota_and_a_throttled_client_get_429(served):
    """The texts: https://repost.aws/knowledge-center/api-gateway-429-limit"""
    client, _ = await served(with_plan(UsagePlan("plan123456", (KEY,), quota=1)))
    headers = {"x-api-key": KEY.value}

    assert (await client.get("/it", headers=headers)).status_code == 200
    response = await client.get("/it", headers=headers)
    assert (THROTTLED.status, THROTTLED.message) == (429, "Too Many Requests")

    assert (response.status_code, response.json()) == (429, {"message": "Limit Exceeded"})
    assert response.headers["x-amzn-errortype"] == "LimitExceededException"


def test_sams_usage_plan_is_read_with_its_key(tmp_path):
    template = CASE.replace(
        "      StageName: Prod\n",
        "      StageName: Prod\n      Auth:\n        ApiKeyRequired: true\n        UsagePlan:\n"
        "          CreateUsagePlan: PER_API\n          Quota: {Limit: 5, Period: MONTH}\n"
        "          Throttle: {RateLimit: 3, BurstLimit: 2}\n",
    )

    (api,) = read_text(tmp_path, template).rest_apis

    (plan,) = api.usage_plans
    (key,) = plan.keys
    assert all(route.needs_api_key for route in api.routes)
    assert (plan.rate, plan.burst, plan.quota, plan.period) == (3, 2, 5, "MONTH")
    assert (key.logical_id, key.enabled, len(key.value)) == ("BooksApiKey", True, 40)
    assert key.value == read_text(tmp_path, template).rest_apis[0].usage_plans[0].keys[0].value
