"""Integrations other than a function's proxy. The recordings are localstack/localstack's,
tests/aws/services/apigateway, of tests that ran on AWS."""

import asyncio
import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from textwrap import indent

import botocore.loaders
import httpx
import pytest

from lampwork.errors import TemplateError
from lampwork.front.http.rest.services import JSON_SERVICES
from lampwork.stack.model import HttpRoute, RestApi, Stack
from lampwork.stack.rest_methods import Integration, IntegrationResponse
from lampwork.vtl.mapping import Input
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import function, running_front
from tests.emulator.stacks import read_text

JSON = "application/json"
DEFAULT = (IntegrationResponse(200),)


class Echo(BaseHTTPRequestHandler):
    """Answers with the request, under a status that the query may name."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        seen = {
            **{"method": self.command, "path": self.path, "body": body},
            "headers": dict(self.headers.items()),
        }
        answer = json.dumps(seen).encode()
        status = 418 if "teapot" in self.path else 200
        self.send_response(status)
        for name, value in (("X-Echo", "yes"), ("Content-Type", JSON), ("Via", "a")):
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def echo():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
async def served(tmp_path):
    running = []

    async def served(integration, *, path="/it", work=lambda event: event, **settings):
        leads_to = "work" if integration.function else ""
        route = HttpRoute("ANY", path, leads_to, 0.5, "1.0", integration=integration)
        api = RestApi("Api", "rest123456", "prod", (route,), **settings)
        invoker = FakeInvoker(work=work)
        stack = Stack({"work": function("work")}, rest_apis=(api,))
        running_ = running_front(stack, invoker, tmp_path)
        front = await running_.__aenter__()
        client = httpx.AsyncClient(base_url=f"{front.origin}/prod")
        running.append((running_, client))
        return client, invoker

    yield served
    for running_, client in running:
        await client.aclose()
        await running_.__aexit__(None, None, None)


def to_lambda(**settings):
    settings = {"responses": DEFAULT, **settings}
    return Integration("AWS", "lambda", "POST", function="work", **settings)


# A mock


async def test_a_mock_passes_overrides_from_its_request_template_to_its_answer(served):
    """test_integration_mock_with_response_override_in_request_template"""
    request = """
    #set($context.responseOverride.status = 444)
    #set($context.responseOverride.header.foo = "bar")
    #set($context.responseOverride.custom = "is also passed around")
    {"statusCode": 200}
    """
    answer = '{"custom": "$context.responseOverride.custom"}'
    client, _ = await served(
        Integration(
            "MOCK",
            templates={JSON: request},
            responses=(IntegrationResponse(200, "2\\d{2}", templates={JSON: answer}),),
        )
    )

    response = await client.get("/it")

    assert (response.status_code, response.headers["foo"]) == (444, "bar")
    assert response.json() == {"custom": "is also passed around"}


async def test_a_mock_keeps_what_is_set_of_its_path(served):
    """test_integration_mock_with_request_overrides_in_response_template"""
    request = """#set($body = $util.base64Decode($input.params('testPath')))
    #set($context.requestOverride.path.body = $body)
    {"statusCode": 200}"""
    answer = '#set($b = $util.parseJson($context.requestOverride.path.body)){"m": "$b.message"}'
    client, _ = await served(
        Integration(
            "MOCK",
            templates={JSON: request},
            responses=(IntegrationResponse(200, "2\\d{2}", templates={JSON: answer}),),
        ),
        path="/{testPath}",
    )
    sent = base64.b64encode(b'{"message": "path1"}').decode()

    assert (await client.get(f"/{sent}")).json() == {"m": "path1"}


async def test_cdks_mock_whose_template_is_no_json_answers(served):
    """test_integration_mock_with_path_param"""
    client, _ = await served(
        Integration(
            "MOCK", templates={JSON: "{statusCode: 204}"}, responses=(IntegrationResponse(204),)
        )
    )

    assert (await client.options("/it")).status_code == 204


@pytest.mark.parametrize(
    "integration",
    [
        Integration("MOCK", responses=DEFAULT),
        Integration("MOCK", templates={JSON: "{}"}, responses=DEFAULT),
        Integration("MOCK", templates={JSON: '{"statusCode": 200}'}),
        Integration("MOCK", templates={JSON: "#if(x"}, responses=DEFAULT),
        Integration(
            "MOCK",
            templates={JSON: '{"statusCode": 200}'},
            responses=(IntegrationResponse(500, "5.."),),
        ),
    ],
)
async def test_an_integration_that_cannot_answer_is_an_internal_error(served, integration):
    client, _ = await served(integration)

    response = await client.get("/it")

    assert (response.status_code, response.json()) == (500, {"message": "Internal server error"})


# A function


async def test_a_function_gets_what_the_template_makes(served):
    """test_lambda_aws_integration_with_request_template"""
    client, invoker = await served(
        to_lambda(templates={JSON: '{"param1": "$input.params(\'param1\')"}'})
    )

    response = await client.get("/it?param1=foobar&Signature=1")

    assert response.json() == {"param1": "foobar"} == invoker.of("work")[0]
    assert response.headers["content-type"] == JSON
    assert "x-amzn-trace-id" in response.headers


async def test_without_a_template_the_body_is_the_event(served):
    """test_lambda_aws_integration"""
    client, invoker = await served(to_lambda())

    assert (await client.post("/it", json={"message": "hello"})).json() == {"message": "hello"}
    await client.get("/it")
    assert invoker.of("work")[1] == {}


@pytest.mark.parametrize(("asked", "status"), [("200", 200), ("400", 405), ("500", 502)])
async def test_the_error_of_a_function_selects_the_answer(served, asked, status):
    """test_lambda_selection_patterns"""

    def work(event):
        match event["statusCode"]:
            case "200":
                return "Pass"
            case "400":
                raise RuntimeError("Error: Raising four hundred from within the Lambda function")
        raise RuntimeError("Error: Raising five hundred from within the Lambda function")

    responses = (
        IntegrationResponse(200),
        IntegrationResponse(405, ".*four hundred.*"),
        IntegrationResponse(502, ".+"),
        IntegrationResponse(504, "200"),
    )
    template = {JSON: '{"statusCode": "$input.params(\'statusCode\')"}'}
    client, _ = await served(
        to_lambda(responses=responses, templates=template), path="/{statusCode}", work=work
    )

    response = await client.get(f"/{asked}")

    assert response.status_code == status
    assert "hundred" in response.text or response.json() == "Pass"


async def test_the_answers_template_sets_status_and_headers(served):
    """test_lambda_aws_integration_response_with_mapping_templates"""
    template = """
    #set($inputRoot = $input.path('$'))
    #if($inputRoot.httpStatus == "400")
    #set($context.responseOverride.status = 400)
    #end
    {"body": $input.json('$.error')}
    """
    headers = {"X-Kind": "integration.response.body.kind", "X-Fixed": "'fixed'"}
    client, _ = await served(
        to_lambda(responses=(IntegrationResponse(202, None, headers, {JSON: template}),))
    )

    good = await client.post("/it", json={"httpStatus": "200", "kind": "k", "error": ["a"]})
    bad = await client.post("/it", json={"httpStatus": "400"})

    assert (good.status_code, good.json()) == (202, {"body": ["a"]})
    assert (good.headers["x-kind"], good.headers["x-fixed"]) == ("k", "fixed")
    assert (bad.status_code, bad.json()) == (400, {"body": ""})


async def test_an_event_for_a_function_is_not_waited_for(served):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-integration-async.html"""
    client, invoker = await served(
        to_lambda(parameters={"header.X-Amz-Invocation-Type": "'Event'"}),
        work=lambda event: {"late": True},
    )

    response = await client.post("/it", json={"a": 1})

    assert (response.status_code, response.text) == (200, "")
    assert await invoker.event("work") == {"a": 1}


async def test_a_function_that_takes_too_long_is_a_time_out(served):
    client, _ = await served(to_lambda(), work=lambda event: asyncio.Event().wait())

    response = await client.post("/it", json={})

    assert (response.status_code, response.json()) == (
        *(504,),
        {"message": "Endpoint request timed out"},
    )


@pytest.mark.parametrize(
    "name",
    ["Content-Length", "Transfer-Encoding", "Authorization", "Connection", "Expect", "TE"],
)
async def test_a_mapping_that_sets_the_gateways_own_headers_is_an_error(served, name):
    """TestApiGatewayHeaderRemapping::test_apigateway_header_remapping_aws[AWS]"""
    client, invoker = await served(to_lambda(parameters={f"header.{name}": "'x'"}))

    response = await client.get("/it")

    assert (response.status_code, response.json()) == (500, {"message": "Internal server error"})
    assert response.headers["x-amzn-errortype"] == "InternalServerErrorException"
    assert invoker.events == []


# https://docs.aws.amazon.com/apigateway/latest/developerguide/integration-passthrough-behaviors.html
@pytest.mark.parametrize(
    ("template_for", "sent", "behaviour", "outcome"),
    [
        (JSON, None, "NEVER", "mapped"),
        (JSON, JSON, "NEVER", "mapped"),
        (JSON, f"{JSON}; charset=utf-8", "NEVER", "mapped"),
        (JSON, "application/xml", "WHEN_NO_MATCH", "as it is"),
        (JSON, "application/xml", "WHEN_NO_TEMPLATES", "refused"),
        (JSON, "application/xml", "NEVER", "refused"),
        ("application/xml", JSON, "WHEN_NO_MATCH", "as it is"),
        ("application/xml", JSON, "NEVER", "refused"),
        (None, JSON, "WHEN_NO_TEMPLATES", "as it is"),
        (None, JSON, "NEVER", "refused"),
        ("$default", "text/csv", "NEVER", "mapped"),
    ],
)
async def test_bodies_without_a_template_pass_or_not(
    served, template_for, sent, behaviour, outcome
):
    templates = {template_for: '{"mapped": true}'} if template_for else {}
    client, _ = await served(to_lambda(templates=templates, passthrough=behaviour))

    headers = {"Content-Type": sent} if sent else {}
    response = await client.post("/it", content=b'{"as": "it is"}', headers=headers)

    if outcome == "refused":
        assert response.status_code == 415
        assert response.json() == {"message": "Unsupported Media Type"}
    else:
        assert response.json() == ({"mapped": True} if outcome == "mapped" else {"as": "it is"})


async def test_an_empty_template_lets_the_body_pass(served):
    """aws-samples/serverless-patterns, apigw-rest-stepfunction"""
    responses = (IntegrationResponse(200, templates={JSON: ""}),)
    client, _ = await served(to_lambda(templates={JSON: ""}, responses=responses))

    assert (await client.post("/it", json={"a": 1})).json() == {"a": 1}


# An HTTP server


async def test_an_http_integration_gets_what_is_mapped_and_no_more(served, echo):
    """TestApiGatewayHeaderRemapping::test_apigateway_header_remapping_http[HTTP]"""
    client, _ = await served(
        Integration(
            "HTTP",
            echo + "/things/{thing}",
            "POST",
            {
                "header.X-One": "method.request.header.x-one",
                "header.X-Stage": "context.stage",
                "header.X-Var": "stageVariables.var",
                "querystring.q": "method.request.querystring.a",
                "querystring.many": "method.request.multivaluequerystring.b",
                "querystring.from": "method.request.body.from.here",
                "path.thing": "method.request.path.id",
            },
            responses=(
                IntegrationResponse(
                    201, "2\\d\\d", {"X-Back": "integration.response.header.X-Echo"}
                ),
            ),
        ),
        path="/it/{id}",
        stage_variables={"var": "v"},
    )

    response = await client.put(
        "/it/a%20b?a=1&b=2&b=3", json={"from": {"here": "x"}}, headers={"X-One": "1", "X-Two": "2"}
    )

    seen = response.json()
    assert (response.status_code, response.headers["x-back"]) == (201, "yes")
    assert seen["method"] == "POST"
    assert seen["path"] == "/things/a%20b?q=1&many=2&many=3&from=x"
    assert json.loads(seen["body"]) == {"from": {"here": "x"}}
    sent = seen["headers"]
    assert (sent["X-One"], sent["X-Stage"], sent["X-Var"]) == ("1", "prod", "v")
    assert sent["User-Agent"] == "AmazonAPIGateway_rest123456"
    assert sent["X-Amzn-Apigateway-Api-Id"] == "rest123456"
    assert "X-Two" not in sent
    assert sent["Accept"] == sent["Content-Type"] == JSON


async def test_an_http_proxy_passes_everything_on(served, echo):
    """TestApiGatewayHeaderRemapping::test_apigateway_header_remapping_http[HTTP_PROXY]"""
    client, _ = await served(
        Integration(
            "HTTP_PROXY",
            echo + "/{proxy}",
            "ANY",
            {"path.proxy": "method.request.path.proxy", "header.X-More": "'more'"},
        ),
        path="/{proxy+}",
    )

    response = await client.put("/teapot/b?a=1&a=2", content=b"text", headers={"X-One": "1"})

    assert response.status_code == 501  # the echo knows no PUT
    response = await client.post("/teapot/b?a=1&a=2", content=b"text", headers={"X-One": "1"})
    seen = response.json()
    assert response.status_code == 418
    assert (seen["path"], seen["body"]) == ("/teapot/b?a=1&a=2", "text")
    assert (seen["headers"]["X-One"], seen["headers"]["X-More"]) == ("1", "more")
    assert response.headers["x-echo"] == "yes"
    assert "x-amzn-remapped-server" in response.headers
    assert "via" not in response.headers
    assert "x-amzn-trace-id" not in response.headers


async def test_a_server_that_does_not_answer_is_an_internal_error(served):
    client, _ = await served(Integration("HTTP_PROXY", "http://127.0.0.1:9/", "ANY"))

    response = await client.get("/it")

    assert (response.status_code, response.json()) == (500, {"message": "Internal server error"})


async def test_a_route_of_an_http_api_passes_requests_on(tmp_path, echo):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-http.html"""
    template = f"""
Resources:
  Api: {{Type: AWS::ApiGatewayV2::Api, Properties: {{Name: a, ProtocolType: HTTP}}}}
  To:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: HTTP_PROXY
      IntegrationMethod: ANY
      IntegrationUri: {echo}/there/{{proxy}}
      PayloadFormatVersion: "1.0"
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: ANY /here/{{proxy+}}
      Target: !Sub integrations/${{To}}
"""
    stack = read_text(tmp_path, template)
    running_ = running_front(stack, FakeInvoker(), tmp_path)
    async with running_ as front, httpx.AsyncClient() as client:
        response = await client.post(f"{front.origin}/here/a%20b/c?x=1&x=2", json={"a": 1})

    seen = response.json()
    assert stack.ignored == ()
    assert (seen["method"], seen["path"]) == ("POST", "/there/a%20b/c?x=1&x=2")
    assert json.loads(seen["body"]) == {"a": 1}
    assert response.headers["x-echo"] == "yes"
    assert "apigw-requestid" in response.headers


def mapped_api(uri, *, kind="HTTP_PROXY", mapping):
    return f"""
Resources:
  Api: {{Type: AWS::ApiGatewayV2::Api, Properties: {{Name: a, ProtocolType: HTTP}}}}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {{ApiId: !Ref Api, StageName: v1, StageVariables: {{colour: red}}}}
  To:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Api
      IntegrationType: {kind}
      IntegrationMethod: ANY
      IntegrationUri: {uri}
      PayloadFormatVersion: "{"1.0" if kind == "HTTP_PROXY" else "2.0"}"
{indent(mapping, "      ")}
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Api
      RouteKey: ANY /pets/{{name}}
      Target: !Sub integrations/${{To}}
  Work:
    Type: AWS::Lambda::Function
    Properties:
      Handler: app.handler
      Runtime: python3.13
      Role: "arn:aws:iam::123456789012:role/r"
      Code: {{ZipFile: "def handler(event, context): return event"}}
"""


REQUEST_MAPPING = """\
RequestParameters:
  overwrite:path: /there/${request.path.name}
  append:header.X-More: $request.querystring.more
  overwrite:header.x-one: ${stageVariables.colour} ${request.body.size} ${request.path}
  append:header.absent: $request.header.nothing
  remove:header.x-gone: ""
  append:querystring.added: $context.identity.sourceIp
  overwrite:querystring.a: changed
  remove:querystring.more: ""
"""
SENT = {"X-More": "0", "X-One": "1", "X-Gone": "2"}


async def test_an_http_api_changes_what_it_passes_on_to_a_server(tmp_path, echo):
    """https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html"""
    stack = read_text(tmp_path, mapped_api(f"{echo}/before", mapping=REQUEST_MAPPING))
    running_ = running_front(stack, FakeInvoker(), tmp_path)
    async with running_ as front, httpx.AsyncClient() as client:
        address = f"{front.origin}/v1/pets/tom?a=1&more=2&b=x"
        response = await client.post(address, json={"size": 3}, headers=SENT)

    seen = response.json()
    assert stack.ignored == ()
    assert seen["path"] == "/there/tom?b=x&added=127.0.0.1&a=changed"
    assert seen["headers"]["X-More"] == "0,2"
    assert seen["headers"]["x-one"] == "red 3 /pets/tom"
    assert not {"absent", "X-Gone", "x-gone"} & set(seen["headers"])
    assert json.loads(seen["body"]) == {"size": 3}


async def test_an_http_api_changes_what_its_function_gets(tmp_path):
    template = mapped_api("!GetAtt Work.Arn", kind="AWS_PROXY", mapping=REQUEST_MAPPING)
    stack = read_text(tmp_path, template)
    (logical_id,) = stack.functions
    invoker = FakeInvoker(**{logical_id: lambda event: event})
    running_ = running_front(stack, invoker, tmp_path)
    async with running_ as front, httpx.AsyncClient() as client:
        address = f"{front.origin}/v1/pets/tom?a=1&more=2"
        event = (await client.post(address, json={"size": 3}, headers=SENT)).json()

    assert event["rawPath"] == "/there/tom"
    assert event["queryStringParameters"] == {"added": "127.0.0.1", "a": "changed"}
    assert event["headers"]["x-more"] == "0,2"
    assert event["headers"]["x-one"] == "red 3 /pets/tom"
    assert "x-gone" not in event["headers"]


async def test_an_http_api_changes_a_servers_answer_by_its_status(tmp_path, echo):
    mapping = """\
ResponseParameters:
  "418":
    ResponseParameters:
      - {Destination: "overwrite:statuscode", Source: "403"}
      - {Destination: "append:header.x-path", Source: $response.body.path}
      - {Destination: "overwrite:header.x-id", Source: "$context.requestId $response.header.X-Echo"}
      - {Destination: "remove:header.x-echo", Source: ""}
"""
    stack = read_text(tmp_path, mapped_api(f"{echo}/{{name}}", mapping=mapping))
    running_ = running_front(stack, FakeInvoker(), tmp_path)
    async with running_ as front, httpx.AsyncClient() as client:
        changed = await client.get(f"{front.origin}/v1/pets/teapot")
        same = await client.get(f"{front.origin}/v1/pets/cup")

    assert (changed.status_code, same.status_code) == (403, 200)
    assert changed.headers["x-path"] == "/teapot"
    assert "x-echo" not in changed.headers
    assert same.headers["x-echo"] == "yes"
    assert "x-path" not in same.headers


async def test_the_openapi_form_of_a_mapping_is_read_too(tmp_path, echo):
    definition = {
        "openapi": "3.0.1",
        "paths": {
            "/pets": {
                "get": {
                    "x-amazon-apigateway-integration": {
                        **{"type": "http_proxy", "httpMethod": "GET", "uri": f"{echo}/pets"},
                        "requestParameters": {"overwrite:querystring.a": "$request.header.x-a"},
                        "responseParameters": {"200": {"overwrite:statuscode": "201"}},
                    }
                }
            }
        },
    }
    resource = {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": definition}}
    stack = read_text(tmp_path, json.dumps({"Resources": {"Api": resource}}))
    running_ = running_front(stack, FakeInvoker(), tmp_path)
    async with running_ as front, httpx.AsyncClient() as client:
        response = await client.get(f"{front.origin}/pets", headers={"x-a": "7"})

    assert (response.status_code, response.json()["path"]) == (201, "/pets?a=7")
    assert stack.ignored == ()


@pytest.mark.parametrize(
    "mapping",
    ["RequestParameters: {header.x: a}", "RequestParameters: {'overwrite:statuscode': '200'}"],
)
def test_a_mapping_that_aws_does_not_know_is_refused(tmp_path, mapping):
    with pytest.raises(TemplateError, match="maps no parameter: write overwrite:header"):
        read_text(tmp_path, mapped_api("http://x", mapping=mapping))


# Services


@pytest.mark.parametrize("service", JSON_SERVICES)
def test_the_names_of_actions_are_botocores(service):
    names = {"states": "stepfunctions"}
    model = botocore.loaders.Loader().load_service_model(names.get(service, service), "service-2")
    metadata = model["metadata"]

    assert JSON_SERVICES[service] == (metadata["targetPrefix"], metadata["jsonVersion"])


def test_a_body_that_is_nested_too_deeply_is_read_like_one_that_is_not_json():
    for body in ("not json", "[" * 100_000):
        assert Input(body, {}).call_method("json", ["$.a"]) == Input("", {}).call_method(
            "json", ["$.a"]
        )
