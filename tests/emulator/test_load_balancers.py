"""Application Load Balancers with functions as targets.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
"""

import base64
import json

import httpx
import pytest

from lampwork.errors import Throttled
from lampwork.stack.narrowing import select
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front
from tests.emulator.stacks import read_text

TEMPLATE = """
Resources:
  Work: &function
    Type: AWS::Lambda::Function
    Properties: {Handler: app.handler, Runtime: python3.11, Code: .}
  Many: *function
  Balancer: {Type: AWS::ElasticLoadBalancingV2::LoadBalancer, Properties: {Name: front}}
  WorkGroup:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties: {Name: work, TargetType: lambda, Targets: [{Id: !GetAtt Work.Arn}]}
  ManyGroup:
    Type: AWS::ElasticLoadBalancingV2::TargetGroup
    Properties:
      TargetType: lambda
      Targets: [{Id: !GetAtt Many.Arn}]
      TargetGroupAttributes: [{Key: lambda.multi_value_headers.enabled, Value: "true"}]
  Http:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: 80
      Protocol: HTTP
      DefaultActions:
      - Type: redirect
        RedirectConfig: {Protocol: HTTPS, Port: "443", StatusCode: HTTP_301}
  Https:
    Type: AWS::ElasticLoadBalancingV2::Listener
    Properties:
      LoadBalancerArn: !Ref Balancer
      Port: 443
      Protocol: HTTPS
      DefaultActions: [{Type: forward, TargetGroupArn: !Ref WorkGroup}]
  ToMany:
    Type: AWS::ElasticLoadBalancingV2::ListenerRule
    Properties:
      ListenerArn: !Ref Https
      Priority: 20
      Conditions: [{Field: path-pattern, Values: [/many/*]}]
      Actions:
      - Type: forward
        ForwardConfig: {TargetGroups: [{TargetGroupArn: !Ref ManyGroup, Weight: 1}]}
  Old:
    Type: AWS::ElasticLoadBalancingV2::ListenerRule
    Properties:
      ListenerArn: !Ref Https
      Priority: 10
      Conditions:
      - {Field: path-pattern, PathPatternConfig: {Values: [/old/*]}}
      - {Field: http-request-method, HttpRequestMethodConfig: {Values: [GET]}}
      Actions:
      - {Type: redirect, RedirectConfig: {Path: "/new/#{path}", StatusCode: HTTP_302}}
  Secret:
    Type: AWS::ElasticLoadBalancingV2::ListenerRule
    Properties:
      ListenerArn: !Ref Https
      Priority: 5
      Conditions:
      - Field: http-header
        HttpHeaderConfig: {HttpHeaderName: X-Kind, Values: ["sec?et*"]}
      - Field: query-string
        QueryStringConfig: {Values: [{Key: go, Value: "n*"}, {Value: never}]}
      - {Field: source-ip, SourceIpConfig: {Values: [127.0.0.0/8]}}
      Actions:
      - Type: fixed-response
        FixedResponseConfig: {StatusCode: "403", ContentType: application/json, MessageBody: '{}'}
"""


@pytest.fixture
async def served(tmp_path):
    running = []

    async def served(work=lambda event: {"statusCode": 200}, many=None):
        invoker = FakeInvoker(Work=work, Many=many or work)
        stack = read_text(tmp_path, TEMPLATE)
        running_ = running_front(stack, invoker, tmp_path)
        front = await running_.__aenter__()
        client = httpx.AsyncClient(base_url=front.origin)
        running.append((running_, client))
        return client, invoker

    yield served
    for running_, client in running:
        await client.aclose()
        await running_.__aexit__(None, None, None)


async def test_an_event_has_lower_case_headers_and_an_encoded_path_and_query(served):
    """hotsock/voker, vokerhttp/testdata/alb-request.json, captured on AWS"""
    client, invoker = await served()

    query = (
        "repeat=one&repeat=two&redirect=https%3A%2F%2Fa&literalPlus=a+b&encodedPlus=a%2Bb&empty="
    )
    headers = [("X-Probe", "first"), ("X-Probe", "second"), ("Cookie", "a=1; b=2")]
    await client.post(f"/capture/space%20value?{query}", json={"λ": 1}, headers=headers)

    (event,) = invoker.of("Work")
    assert event.keys() == {
        *("requestContext", "httpMethod", "path", "queryStringParameters", "headers"),
        *("body", "isBase64Encoded"),
    }
    arn = event["requestContext"]["elb"]["targetGroupArn"]
    assert arn.startswith("arn:aws:elasticloadbalancing:eu-west-1:000000000000:targetgroup/work/")
    assert (event["httpMethod"], event["path"]) == ("POST", "/capture/space%20value")
    assert event["queryStringParameters"] == {
        **{"repeat": "two", "redirect": "https%3A%2F%2Fa", "literalPlus": "a+b"},
        **{"encodedPlus": "a%2Bb", "empty": ""},
    }
    assert (json.loads(event["body"]), event["isBase64Encoded"]) == ({"λ": 1}, False)
    sent = event["headers"]
    assert {name.lower() for name in sent} == set(sent)
    assert (sent["x-probe"], sent["cookie"]) == ("second", "a=1; b=2")
    assert {"host", "x-amzn-trace-id", "x-forwarded-for", "x-forwarded-port"} <= sent.keys()


async def test_a_group_may_ask_for_lists_of_values(served):
    """hotsock/voker, vokerhttp/testdata/alb-request.json, captured on AWS"""
    answer = {
        **{"statusCode": 201, "statusDescription": "201 Created", "body": "made"},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"], "Content-Type": ["text/plain"]},
        "headers": {"X-Ignored": "1"},
    }
    client, invoker = await served(many=lambda event: answer)

    response = await client.get("/many/x?a=1&a=2", headers=[("X-A", "1"), ("X-A", "2")])

    (event,) = invoker.of("Many")
    assert event["multiValueQueryStringParameters"] == {"a": ["1", "2"]}
    assert event["multiValueHeaders"]["x-a"] == ["1", "2"]
    assert not {"headers", "queryStringParameters"} & event.keys()
    assert (event["body"], event["isBase64Encoded"]) == ("", False)
    assert (response.status_code, response.text) == (201, "made")
    assert response.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert "x-ignored" not in response.headers


@pytest.mark.parametrize(
    ("headers", "is_base64"),
    [
        ({"Content-Type": "text/html"}, False),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, True),
        ({"Content-Type": "image/png"}, True),
        ({}, True),
    ],
)
async def test_bodies_of_few_types_are_text(served, headers, is_base64):
    client, invoker = await served()

    await client.post("/", content=b"text", headers=headers)

    (event,) = invoker.of("Work")
    body = base64.b64encode(b"text").decode() if is_base64 else "text"
    assert (event["body"], event["isBase64Encoded"]) == (body, is_base64)


async def test_an_answer_may_be_base64(served):
    answer = {"statusCode": 200, "body": "AAE=", "isBase64Encoded": True}
    client, _ = await served(lambda event: answer | {"headers": {"content-type": "image/png"}})

    response = await client.get("/")

    assert (response.content, response.headers["content-type"]) == (b"\0\1", "image/png")


def fails(event):
    raise RuntimeError("secret detail")


def throttled(event):
    raise Throttled("used up")


# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-troubleshooting.html
@pytest.mark.parametrize(
    "work",
    [
        fails,
        throttled,
        lambda event: "text",
        lambda event: {"body": "no status"},
        lambda event: {"statusCode": "200"},
        lambda event: {"statusCode": 200, "body": {"not": "text"}},
        lambda event: {"statusCode": 200, "body": "x" * (1024 * 1024)},
    ],
)
async def test_an_answer_of_no_known_form_is_a_bad_gateway(served, work):
    client, _ = await served(work)

    response = await client.get("/")

    assert response.status_code == 502
    assert "<h1>502 Bad Gateway</h1>" in response.text
    assert response.headers["server"] == "awselb/2.0"


async def test_a_body_over_1_mb_is_refused(served):
    client, invoker = await served()

    response = await client.post("/", content=b"x" * (1024 * 1024 + 1))

    assert response.status_code == 413
    assert invoker.events == []


# https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html
@pytest.mark.parametrize(
    ("method", "path", "headers", "served_by"),
    [
        ("GET", "/many/x", {}, "Many"),
        ("GET", "/MANY/x", {}, "Work"),
        ("POST", "/old/x", {}, "Work"),
        ("GET", "/many/x?go=now", {"X-Kind": "SECRETS"}, None),
        ("GET", "/many/x?other=never", {"X-Kind": "secret"}, None),
        ("GET", "/many/x?go=x", {"X-Kind": "secret"}, "Many"),
        ("GET", "/many/x?go=now", {}, "Many"),
    ],
)
async def test_the_first_rule_whose_conditions_are_met_serves(
    served, method, path, headers, served_by
):
    client, invoker = await served()

    response = await client.request(method, path, headers=headers)

    assert [name for name, _ in invoker.events] == ([served_by] if served_by else [])
    if served_by is None:
        assert (response.status_code, response.text) == (403, "{}")
        assert response.headers["content-type"] == "application/json"


async def test_a_redirect_keeps_what_it_does_not_name(served):
    client, _ = await served()

    response = await client.get("/old/a?b=c", headers={"Host": "localhost:8000"})

    assert response.status_code == 302
    assert response.headers["location"] == "http://localhost:8000/new/old/a?b=c"


def test_a_listener_that_leads_to_no_function_is_named_and_its_redirect_is_not_served(tmp_path):
    stack = read_text(tmp_path, TEMPLATE)

    assert [each.logical_id for each in stack.load_balancers] == ["Https"]
    assert [(each.logical_id, each.reason) for each in stack.ignored] == [
        ("Http", "it leads to no function that runs here")
    ]


def test_only_the_rules_of_the_chosen_functions_are_left(tmp_path):
    stack = select(read_text(tmp_path, TEMPLATE), ["Many"], ())

    (listener,) = stack.load_balancers
    assert listener.functions == {"Many"}
