"""Rules whose targets are servers, as EventBridge calls them.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html
"""

import json
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import pytest

from lampwork.cloud.api_destinations import request_for
from lampwork.cloud.moto_seam.events import ApiDestination
from tests.emulator.lampwork_process import SampleProject
from tests.waiting import until

TEMPLATE = """\
Parameters: {Server: {Type: String}}
Resources:
  Partner:
    Type: AWS::Events::Connection
    Properties:
      Name: partner
      AuthorizationType: API_KEY
      AuthParameters: {ApiKeyAuthParameters: {ApiKeyName: x-key, ApiKeyValue: secret}}
  Webhook:
    Type: AWS::Events::ApiDestination
    Properties:
      ConnectionArn: !GetAtt Partner.Arn
      InvocationEndpoint: !Sub "${Server}/hooks/*"
      HttpMethod: POST
  Given: {Type: AWS::SQS::Queue, Properties: {QueueName: given}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [shop]}
      Targets:
        - Id: webhook
          Arn: !GetAtt Webhook.Arn
          HttpParameters: {PathParameterValues: [$.detail-type]}
          DeadLetterConfig: {Arn: !GetAtt Given.Arn}
  Pipe:
    Type: AWS::Pipes::Pipe
    Properties: {Source: !GetAtt Given.Arn, Target: !GetAtt Webhook.Arn, RoleArn: x}
  Login:
    Type: AWS::Events::Connection
    Properties:
      AuthorizationType: OAUTH_CLIENT_CREDENTIALS
      AuthParameters:
        OAuthParameters:
          AuthorizationEndpoint: https://example.com/token
          HttpMethod: POST
          ClientParameters: {ClientID: a, ClientSecret: b}
"""


@dataclass
class Server:
    """A partner's server. It refuses what is sent to /hooks/bad."""

    requests: "queue.Queue[tuple[str, dict[str, str], bytes]]" = field(default_factory=queue.Queue)

    def __post_init__(self) -> None:
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                requests.put((self.path, headers, body))
                self.send_response(404 if self.path == "/hooks/bad" else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    created = Server()
    yield created
    created.close()


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleProject]:
    root = tmp_path_factory.mktemp("destinations")
    (root / "template.yaml").write_text(TEMPLATE)
    (root / "pyproject.toml").write_text('[tool.lampwork]\nport = 0\nservices = ["aws"]\n')
    created = SampleProject(root)
    yield created
    created.close()


@pytest.fixture(scope="module")
def client(project: SampleProject, server: Server) -> Any:
    origin = project.up("--parameter", f"Server={server.origin}").origin()
    session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
    return lambda service: session.client(service, endpoint_url=origin)


def put(client: Any, kind: str) -> None:
    entry = {"Source": "shop", "DetailType": kind, "Detail": json.dumps({"total": 3})}
    client("events").put_events(Entries=[entry])


def test_a_rule_calls_a_server_with_the_key_of_its_connection(client: Any, server: Server) -> None:
    put(client, "order")
    path, headers, body = server.requests.get(timeout=30)
    assert path == "/hooks/order"
    assert headers["x-key"] == "secret"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["user-agent"] == "Amazon/EventBridge/ApiDestinations"
    assert json.loads(body)["detail"] == {"total": 3}


def test_what_a_server_refuses_is_a_dead_letter(client: Any, server: Server) -> None:
    put(client, "bad")
    server.requests.get(timeout=30)
    sqs, found = client("sqs"), list[Any]()
    url = sqs.get_queue_url(QueueName="given")["QueueUrl"]

    def came() -> bool:
        found.extend(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []))
        return bool(found)

    until(came)
    assert json.loads(found[0]["Body"])["detail-type"] == "bad"


def test_a_connection_with_oauth_is_named(client: Any, project: SampleProject) -> None:
    said = "".join(project.started[0].output)
    assert "Login (AWS::Events::Connection): no token is fetched with OAuth" in said


def test_a_pipe_to_a_server_is_named(client: Any, project: SampleProject) -> None:
    said = "".join(project.started[0].output)
    assert "Pipe (AWS::Pipes::Pipe): nothing here takes its events for arn:aws:events:" in said


def test_the_values_of_the_connection_win_over_those_of_the_target() -> None:
    # https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_HttpParameters.html
    own = {
        "HeaderParameters": [{"Key": "a", "Value": "connection", "IsValueSecret": False}],
        "QueryStringParameters": [{"Key": "q", "Value": "connection", "IsValueSecret": False}],
        "BodyParameters": [{"Key": "b", "Value": "connection", "IsValueSecret": False}],
    }
    basic = {"Username": "ann", "Password": "secret"}
    auth = {"BasicAuthParameters": basic, "InvocationHttpParameters": own}
    request = request_for(
        ApiDestination("https://example.com/a?x=1", "PUT", auth),
        {"HeaderParameters": {"a": "target"}, "QueryStringParameters": {"q": "target", "r": "2"}},
        '{"b": "event", "c": 1}',
    )
    assert request.full_url == "https://example.com/a?x=1&q=connection&r=2"
    assert request.get_header("A") == "connection"
    assert request.get_header("Authorization") == "Basic YW5uOnNlY3JldA=="
    assert json.loads(str(request.data, "utf-8")) == {"b": "connection", "c": 1}  # type: ignore[arg-type]
    assert request.get_method() == "PUT"
