"""The addresses that a stack's own APIs have on AWS lead to this machine."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import connect

from lampwork.stack.model import Function, FunctionUrl, HttpApi, RestApi, Stack, WebSocketApi
from lampwork.stack.own_addresses import OwnAddresses, with_own_addresses
from tests.emulator.lampwork_process import SampleProject
from tests.emulator.runtime_fixtures import function, running

REST = RestApi("Rest", "aaaaaaaaaa", "Prod", ())
HTTP = HttpApi("Http", "bbbbbbbbbb", "$default", ())
SOCKET = WebSocketApi("Ws", "cccccccccc", "Prod", "$request.body.action", {})
URL = FunctionUrl("Url", "dddddddddd", "F", 3)


@pytest.mark.parametrize(
    ("text", "here"),
    [
        (
            "https://aaaaaaaaaa.execute-api.us-east-1.amazonaws.com/Prod/x",
            "https://localhost:8/Prod/x",
        ),
        ("wss://cccccccccc.execute-api.eu-west-1.amazonaws.com/Prod", "wss://localhost:8/Prod"),
        ("bbbbbbbbbb.execute-api.us-east-1.amazonaws.com", "localhost:8"),
        ("https://bbbbbbbbbb.execute-api.us-east-1.amazonaws.com:443/", "https://localhost:8/"),
        ("https://zzzzzzzzzz.execute-api.us-east-1.amazonaws.com/Prod", None),
        ("https://aaaaaaaaaa.s3.us-east-1.amazonaws.com/Prod", None),
        ("arn:aws:execute-api:us-east-1:000000000000:aaaaaaaaaa/Prod", None),
    ],
)
def test_only_the_hosts_of_the_stacks_own_apis_are_replaced(text, here):
    own = OwnAddresses(Stack({}, (HTTP,), (SOCKET,), (REST,)), 8)

    assert own.localised(text) == (here or text)


def test_apis_that_share_a_stage_keep_hosts_of_their_own():
    own = OwnAddresses(Stack({}, http_apis=(HTTP,), rest_apis=(REST,), function_urls=(URL,)), 8)

    assert own.localised("https://dddddddddd.lambda-url.us-east-1.on.aws/") == (
        "https://dddddddddd.lambda-url.localhost:8/"
    )
    assert own.localised("https://bbbbbbbbbb.execute-api.us-east-1.amazonaws.com") == (
        "https://bbbbbbbbbb.execute-api.localhost:8"
    )
    assert own.localised("https://aaaaaaaaaa.execute-api.us-east-1.amazonaws.com/Prod") == (
        "https://localhost:8/Prod"
    )


def test_a_stack_without_apis_is_left_as_it_is():
    function = Function("F", "f", "f.h", Path(), environment={"URL": "https://example.com"})

    assert with_own_addresses(Stack({"F": function}), 8) == Stack({"F": function})


TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.11, Timeout: 20, CodeUri: .}}
Resources:
  Ws:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: ws, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.action}
  Stage:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Ws, StageName: dev, AutoDeploy: true}
  Integration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Ws
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub
        - arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${To}/invocations
        - {To: !GetAtt Talk.Arn}
  Route:
    Type: AWS::ApiGatewayV2::Route
    Properties: {ApiId: !Ref Ws, RouteKey: $default, Target: !Sub "integrations/${Integration}"}
  Address:
    Type: AWS::SSM::Parameter
    Properties:
      Name: /address
      Type: String
      Value: !Sub https://${ServerlessRestApi}.execute-api.${AWS::Region}.amazonaws.com/Prod/b
  Secret:
    Type: AWS::SecretsManager::Secret
    Properties:
      Name: address
      SecretString: !Sub
        - '{"url": "https://${Api}.execute-api.${AWS::Region}.amazonaws.com/Prod/b"}'
        - {Api: !Ref ServerlessRestApi}
  Talk:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.talk
      Environment:
        Variables:
          ENDPOINT: !Sub https://${Ws}.execute-api.${AWS::Region}.amazonaws.com/${Stage}
  Pool: {Type: AWS::Cognito::UserPool}
  Verify:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.verify
      Environment: {Variables: {ISSUER: !GetAtt Pool.ProviderURL}}
      Events:
        Verify: {Type: Api, Properties: {Path: /verify, Method: get}}
  Self:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.call
      Events:
        A: {Type: Api, Properties: {Path: /a, Method: get}}
        B: {Type: Api, Properties: {Path: /b, Method: get}}
"""

APP = """\
import json, os, urllib.request
import boto3, httpx
from botocore.config import Config

def talk(event, context):
    once = Config(retries={"total_max_attempts": 1})
    endpoint = os.environ["ENDPOINT"]
    api = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint, config=once)
    api.post_to_connection(ConnectionId=event["requestContext"]["connectionId"], Data=b"hi")
    return {"statusCode": 200}

def verify(event, context):
    issuer = f"{os.environ['ISSUER']}/.well-known"
    keys = json.load(urllib.request.urlopen(f"{issuer}/jwks.json", timeout=20))
    described = httpx.get(f"{issuer}/openid-configuration").json()
    same = httpx.get(described["jwks_uri"]).json() == keys
    return {"statusCode": 200, "body": json.dumps([[key["alg"] for key in keys["keys"]], same])}

def call(event, context):
    if event["path"].endswith("/b"):
        return {"statusCode": 200, "body": "b"}
    asked = event["requestContext"]
    parameter = boto3.client("ssm").get_parameter(Name="/address")["Parameter"]["Value"]
    kept = boto3.client("secretsmanager").get_secret_value(SecretId="address")
    secret = json.loads(kept["SecretString"])["url"]
    own = f"https://{asked['domainName']}/{asked['stage']}/b"
    host = f"{asked['apiId']}.execute-api.{os.environ['AWS_REGION']}.amazonaws.com"
    urls = (own, parameter, secret, f"https://{host}/{asked['stage']}/b")
    answers = [urllib.request.urlopen(url, timeout=20).read().decode() for url in urls]
    return {"statusCode": 200, "body": json.dumps([*answers, httpx.get(own).text])}
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("addresses")
    project = SampleProject.create(folder)
    (folder / "template.yaml").write_text(TEMPLATE)
    (folder / "app.py").write_text(APP)
    project.edit("pyproject.toml", lambda text: text.replace('"redis"', '"aws"'))
    yield project.up().origin()
    project.close()


def test_a_function_reaches_its_own_api_by_domain_name_parameter_secret_and_id(
    origin: str,
):
    """https://docs.python.org/3/library/ssl.html#ssl.SSLContext.load_default_certs"""
    assert json.loads(httpx.get(f"{origin}/Prod/a", timeout=60).text) == ["b"] * 5


def test_a_function_reads_the_keys_of_a_pool_where_aws_has_them(origin: str):
    """https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html"""
    answer = httpx.get(f"{origin}/Prod/verify", timeout=60)
    assert answer.status_code == 200, answer.text
    algorithms, same = answer.json()

    assert set(algorithms) == {"RS256"}
    assert same


def test_a_function_posts_to_a_connection_by_the_address_in_its_variable(origin: str):
    with connect(f"{origin.replace('http', 'ws', 1)}/dev") as socket:
        socket.send("{}")

        assert socket.recv(timeout=20) == "hi"


@pytest.mark.parametrize("cold", [False, True], ids=["forked", "cold"])
async def test_a_function_reaches_the_host_of_an_api_that_shares_its_stage(tmp_path, cold):
    """https://www.rfc-editor.org/rfc/rfc6761#section-6.3"""
    source = """
    import asyncio, socket

    def handler(event, context):
        host = "dddddddddd.lambda-url.localhost"
        found = {each[4][0] for each in socket.getaddrinfo(host, 80)}
        looked_up = asyncio.run(asyncio.to_thread(socket.getaddrinfo, host, 80))
        return sorted(found), len(looked_up) > 0
    """
    async with running(function(tmp_path, source), cold=cold) as run:
        addresses, again = await run.result()

    assert set(addresses) <= {"127.0.0.1", "::1"}
    assert addresses
    assert again
