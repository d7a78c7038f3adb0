import json

import httpx
import pytest

from lampwork.errors import Throttled
from lampwork.stack.authorization import Cors, IamAuthorizer
from lampwork.stack.model import FunctionUrl, Stack
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import http_api, running_front
from tests.emulator.stacks import read_text

SIGNATURE = "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/lambda/aws4_request"


@pytest.fixture
async def at_url(tmp_path):
    running = []

    async def at_url(work, **settings):
        urls = (FunctionUrl("Url", "url1234567", "work", 5, **settings),)
        invoker = FakeInvoker(work=work, api=lambda event: {"statusCode": 200, "body": "api"})
        stack = Stack({}, http_apis=(http_api(("ANY", "$default", "api")),), function_urls=urls)
        front = running_front(stack, invoker, tmp_path)
        origin = (await front.__aenter__()).origin
        host = f"url1234567.lambda-url.us-east-1.localhost:{origin.rpartition(':')[2]}"
        client = httpx.AsyncClient(base_url=origin, headers={"Host": host})
        running.append((front, client))
        return client, invoker

    yield at_url
    for front, client in running:
        await client.aclose()
        await front.__aexit__(None, None, None)


async def test_every_path_and_method_leads_to_the_function_in_format_2(at_url):
    client, invoker = await at_url(lambda event: {"statusCode": 201, "body": "made"})

    response = await client.delete("/any/path?a=1")

    (event,) = invoker.of("work")
    assert (response.status_code, response.text) == (201, "made")
    assert (event["version"], event["routeKey"], event["rawPath"]) == (
        *("2.0", "$default"),
        "/any/path",
    )
    context = event["requestContext"]
    assert (context["apiId"], context["domainPrefix"]) == ("url1234567", "url1234567")
    assert (context["accountId"], context["stage"]) == ("anonymous", "$default")
    assert context["requestId"] == response.headers["x-amzn-requestid"]


async def test_the_request_id_is_the_invocations(at_url):
    """localstack/localstack, test_lambda.snapshot.json, test_request_id_invoke_url"""
    client, invoker = await at_url(lambda event: {"statusCode": 200, "body": "hi"})

    response = await client.get("/")

    assert invoker.request_ids == [response.headers["x-amzn-requestid"]]


# localstack/localstack, tests/aws/services/lambda_/test_lambda.snapshot.json,
# test_lambda_url_invocation
@pytest.mark.parametrize(
    ("answer", "body"),
    [
        ({"hello": "world"}, '{"hello":"world"}'),
        ({"statusCode": 200, "body": "body123"}, "body123"),
        ({"statusCode": 200, "body": '{"hello": "world"}'}, '{"hello": "world"}'),
        (["hello", 3, True], '["hello",3,true]'),
        ("hello", "hello"),
        (3, "3"),
        (3.1, "3.1"),
        (True, "true"),
    ],
)
async def test_an_answer_is_compact_json(at_url, answer, body):
    client, _ = await at_url(lambda event: answer)

    response = await client.post("/custom_path/extend?test_param=test_value", content=b"{}")

    assert (response.status_code, response.text) == (200, body)
    assert response.headers["content-type"] == "application/json"
    assert response.headers["content-length"] == str(len(body))


async def test_a_url_that_streams_sends_the_answer_of_a_function_that_does_not_as_it_is(at_url):
    """localstack/localstack, test_lambda.py, test_lambda_url_echo_invoke[RESPONSE_STREAM]"""
    answer = {"statusCode": 201, "body": "text"}
    client, _ = await at_url(lambda event: answer, streams=True)

    response = await client.post("/", content=b"text")

    assert (response.status_code, response.json()) == (200, answer)


@pytest.mark.parametrize("mode", ["BUFFERED", "RESPONSE_STREAM"])
def test_a_url_streams_where_its_invoke_mode_says_so(tmp_path, mode):
    template = f"""
Transform: AWS::Serverless-2016-10-31
Resources:
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      Handler: app.handler
      CodeUri: .
      FunctionUrlConfig: {{AuthType: NONE, InvokeMode: {mode}}}
"""

    (url,) = read_text(tmp_path, template).function_urls

    assert url.streams == (mode == "RESPONSE_STREAM")


async def test_the_raw_path_stays_encoded_and_cookies_stay_a_header_too(at_url):
    """hotsock/voker, vokerhttp/testdata/functionurl-request.json, captured on AWS"""
    client, invoker = await at_url(lambda event: "ok")

    cookies = {"Cookie": "session=abc123; theme=dark"}
    await client.get("/capture/space%20value", headers=cookies)

    (event,) = invoker.of("work")
    assert event["rawPath"] == "/capture/space%20value"
    assert event["requestContext"]["http"]["path"] == "/capture/space value"
    assert event["cookies"] == ["session=abc123", "theme=dark"]
    assert event["headers"]["cookie"] == "session=abc123; theme=dark"


async def test_another_host_reaches_the_other_api(at_url):
    client, _ = await at_url(lambda event: "url")

    assert (await client.get("/", headers={"Host": "localhost"})).text == "api"


async def test_a_signature_is_required_where_the_template_asks_for_one(at_url):
    client, invoker = await at_url(lambda event: "ok", authorizer=IamAuthorizer())

    unsigned = await client.get("/")
    signed = await client.get("/", headers={"Authorization": SIGNATURE})

    assert unsigned.status_code == 403
    # localstack/localstack, test_lambda.snapshot.json, test_lambda_permission_url_invocation
    assert unsigned.json()["Message"] == (
        "Forbidden. For troubleshooting Function URL authorization issues, see:"
        " https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
    )
    assert unsigned.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert signed.status_code == 200
    context = invoker.of("work")[0]["requestContext"]
    assert context["authorizer"]["iam"]["accessKey"] == "AKIA1"
    assert context["accountId"] == "000000000000"


def fails(event):
    raise RuntimeError("secret detail")


def throttled(event):
    raise Throttled("used up")


@pytest.mark.parametrize(
    ("work", "status", "body"),
    [
        (fails, 502, "Internal Server Error"),
        (lambda event: {"statusCode": "x"}, 502, "Internal Server Error"),
        (throttled, 429, json.dumps({"Message": "Rate Exceeded."}, separators=(",", ":"))),
    ],
)
async def test_lambda_answers_for_a_function_that_does_not(at_url, work, status, body):
    client, _ = await at_url(work)

    response = await client.get("/")

    assert (response.status_code, response.text) == (status, body)


async def test_cors_settings_answer_preflight_requests(at_url):
    cors = Cors(allow_origins=("https://a.example",), allow_methods=("GET",))
    client, invoker = await at_url(lambda event: "ok", cors=cors)

    preflight = await client.options(
        "/", headers={"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    )
    answer = await client.get("/", headers={"Origin": "https://a.example"})

    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-methods"] == "GET"
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert len(invoker.of("work")) == 1
