"""What REST APIs were seen to do on AWS. The sources:

* localstack/localstack, tests/aws/services/apigateway, snapshots of tests that ran on AWS
* hotsock/voker, vokerhttp/testdata, events captured on AWS
"""

import re

import httpx
import pytest

from lampwork.stack.model import HttpRoute, RestApi, Stack
from lampwork.stack.rest_methods import Integration, IntegrationResponse
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front

MOCK = Integration(
    "MOCK",
    templates={"application/json": '{"statusCode": 200}'},
    responses=(IntegrationResponse(200),),
)
ROUTES = (
    HttpRoute("ANY", "/{proxy+}", "work"),
    HttpRoute("ANY", "/hardcoded", "work"),
    HttpRoute("GET", "/items/{id}", "work"),
    HttpRoute("GET", "/mock", "", integration=MOCK),
)


@pytest.fixture
async def served(tmp_path):
    running = []

    async def served(work=lambda event: {"statusCode": 200}):
        invoker = FakeInvoker(work=work)
        api = RestApi("Api", "rest123456", "stage", ROUTES, deployment_id="abc123")
        running_ = running_front(Stack(functions={}, rest_apis=(api,)), invoker, tmp_path)
        front = await running_.__aenter__()
        client = httpx.AsyncClient(base_url=front.origin)
        running.append((running_, client))
        return client, invoker

    yield served
    for running_, client in running:
        await client.aclose()
        await running_.__aexit__(None, None, None)


# test_apigateway_lambda.snapshot.json, test_lambda_aws_proxy_integration; the last two rows are
# voker's apigwv1-request.json and ingress-paths.json.
@pytest.mark.parametrize(
    ("sent", "path", "context_path", "proxy"),
    [
        ("/stage/value", "/value", "/stage/value", "value"),
        ("/stage/value/", "/value/", "/stage/value/", "value"),
        ("/stage/value//double", "/value//double", "/stage/value//double", "value//double"),
        ("//stage/value", "/value", "/stage/value", "value"),
        ("/stage//value", "/value", "/stage//value", "value"),
        ("/stage/value/?a=1", "/value/", "/stage/value/", "value"),
        ("/stage/t%2Ba@b/t+a@b", "/t%2Ba@b/t+a@b", "/stage/t%2Ba@b/t+a@b", "t%2Ba@b/t+a@b"),
        ("/stage/space%20value", "/space%20value", "/stage/space%20value", "space%20value"),
        ("/stage/a%2Fb%25c", "/a%2Fb%25c", "/stage/a%2Fb%25c", "a%2Fb%25c"),
    ],
)
async def test_paths_keep_their_escapes_and_needless_slashes_do_not_count(
    served, sent, path, context_path, proxy
):
    client, invoker = await served()

    response = await client.get(str(client.base_url).rstrip("/") + sent)

    (event,) = invoker.of("work")
    assert response.status_code == 200
    assert (event["path"], event["requestContext"]["path"]) == (path, context_path)
    assert event["pathParameters"] == {"proxy": proxy}


async def test_a_fixed_path_is_found_behind_two_slashes(served):
    """test_lambda_aws_proxy_integration, invocation-hardcoded"""
    client, invoker = await served()

    await client.get("/stage//hardcoded")

    (event,) = invoker.of("work")
    assert (event["resource"], event["path"]) == ("/hardcoded", "/hardcoded")
    assert event["requestContext"]["path"] == "/stage//hardcoded"
    assert event["pathParameters"] is None


async def test_the_context_names_the_deployment_and_the_extended_request_id(served):
    """test_lambda_aws_proxy_integration; x-amz-apigw-id and extendedRequestId are one id"""
    client, invoker = await served()

    response = await client.get("/stage/value")

    context = invoker.of("work")[0]["requestContext"]
    assert context["deploymentId"] == "abc123"
    assert context["extendedRequestId"] == response.headers["x-amz-apigw-id"]
    assert context["extendedRequestId"] != context["requestId"]


async def test_some_headers_are_spelled_anew_and_some_do_not_reach_the_function(served):
    """test_lambda_aws_proxy_integration and test_apigateway_header_remapping_aws[AWS_PROXY]"""
    client, invoker = await served()
    headers = {
        **{"aUThorization": "token", "tEsT-HEADeR": "aValUE", "user-agent": "x"},
        **{"Content-MD5": "a", "Max-Forwards": "2", "Server": "a", "WWW-Authenticate": "a"},
        **{"Range": "bytes=0-1", "Referer": "r", "Content-Encoding": "deflate"},
    }

    await client.post("/stage/value", headers=headers, content=b"{}")

    sent = invoker.of("work")[0]["headers"]
    assert (sent["Authorization"], sent["User-Agent"]) == ("token", "x")
    assert sent["tEsT-HEADeR"] == "aValUE"
    assert {"Range", "Referer", "Content-Encoding"} <= sent.keys()
    hidden = {"content-md5", "max-forwards", "server", "www-authenticate", "content-length"}
    assert not hidden & {name.lower() for name in sent}


# test_apigateway_lambda.snapshot.json, test_aws_proxy_response_payload_format_validation
@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"statusCode": 200}, 200),
        ({"statusCode": 200, "headers": None}, 200),
        ({"statusCode": 200, "wrongValue": "value"}, 502),
        ({"statusCode": 200, "cookies": ["a=1"]}, 502),
        ({"statusCode": 200, "multiValueHeaders": {"a": "not a list"}}, 502),
        ({"statusCode": "test"}, 502),
        ({"statusCode": "201"}, 201),
        ("justAString", 502),
        ({"headers": {"test-header": "value"}}, 200),
        ({}, 502),
    ],
)
async def test_no_key_of_an_answer_is_required_alone_and_no_other_is_allowed(
    served, answer, status
):
    client, _ = await served(lambda event: answer)

    response = await client.get("/stage/value")

    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    assert response.text == ("" if status < 500 else '{"message":"Internal server error"}')


@pytest.mark.parametrize("name", ["test-multi", "tesT-Multi"])
async def test_a_header_in_both_maps_has_all_values(served, name):
    """test_aws_proxy_response_payload_format_validation, invoke-api-multi-headers-overwrite"""
    answer = {
        "multiValueHeaders": {name: ["value-multi"]},
        "headers": {"test-multi": "value-solo", "header-bool": True},
    }
    client, _ = await served(lambda event: answer)

    response = await client.get("/stage/value")

    assert response.headers.get_list("test-multi") == ["value-multi", "value-solo"]
    assert response.headers["header-bool"] == "true"


async def test_a_pair_in_both_maps_is_sent_once(served):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html"""
    answer = {"multiValueHeaders": {"A": ["1", "2"]}, "headers": {"A": "1"}}
    client, _ = await served(lambda event: answer)

    response = await client.get("/stage/value")

    assert response.headers.get_list("a") == ["1", "2"]


async def test_headers_that_are_the_gateways_own_are_sent_under_another_name(served):
    """test_apigateway_integrations.snapshot.json, TestApiGatewayHeaderRemapping"""
    own = {"Date": "then", "Server": "mine", "WWW-Authenticate": "Basic", "X-Mine": "kept"}
    client, _ = await served(lambda event: {"headers": own})

    headers = (await client.get("/stage/value")).headers

    assert headers["x-amzn-remapped-date"] == "then"
    assert headers["x-amzn-remapped-server"] == "mine"
    assert headers["x-amzn-remapped-www-authenticate"] == "Basic"
    assert headers["x-mine"] == "kept"
    assert headers["date"].endswith(" GMT")


TRACE = "Root=1-3152b799-8954dae64eda91bc9a23a7e8"


# test_apigateway_common.py, test_invocation_trace_id
@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (None, r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0"),
        (TRACE, re.escape(TRACE) + r";Parent=[0-9a-f]{16};Sampled=0"),
        (
            f"{TRACE};Parent=7fa8c0f79203be72;Sampled=1",
            re.escape(f"{TRACE};Parent=7fa8c0f79203be72;Sampled=1"),
        ),
    ],
)
async def test_an_answer_names_the_trace_of_its_request(served, sent, answered):
    client, invoker = await served()

    headers = {"X-Amzn-Trace-Id": sent} if sent else {}
    response = await client.get("/stage/value", headers=headers)

    trace = response.headers["x-amzn-trace-id"]
    assert re.fullmatch(answered, trace)
    assert trace.startswith(invoker.of("work")[0]["headers"]["X-Amzn-Trace-Id"])


async def test_an_answer_without_an_integration_behind_it_names_no_trace(served):
    """test_invocation_trace_id, and the errors of TestApiGatewayHeaderRemapping"""
    client, _ = await served(lambda event: "malformed")

    assert "x-amzn-trace-id" not in (await client.get("/stage/mock")).headers
    assert "x-amzn-trace-id" not in (await client.get("/stage/value")).headers
