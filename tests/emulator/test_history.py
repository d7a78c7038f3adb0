"""The history of invocations with a real emulator: traces, replays, secrets, and what is kept."""

import json
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
from click.testing import CliRunner
from websockets.sync.client import connect

from lampwork.commands.events import events
from lampwork.errors import LampworkError
from lampwork.history.masking import MASK
from tests.emulator.lampwork_process import LampworkProcess, SampleProject
from tests.waiting import until

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.11, CodeUri: ., Timeout: 60}}
Resources:
  Jobs: {Type: AWS::SQS::Queue, Properties: {QueueName: jobs, VisibilityTimeout: 360}}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: kept
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  Accept:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.accept
      Events: {Post: {Type: HttpApi, Properties: {Method: POST, Path: /orders}}}
  Work:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.work
      Events: {Q: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn, BatchSize: 1}}}
  Notify:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.notify
      Events: {E: {Type: EventBridgeRule, Properties: {Pattern: {source: [orders]}}}}
  Follow:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.follow
      Events:
        S: {Type: DynamoDB, Properties: {Stream: !GetAtt Table.StreamArn, StartingPosition: LATEST}}
  Connect:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.connect}
  Nightly:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.connect
      Events:
        At: {Type: Schedule, Properties: {Schedule: rate(1 day), Name: nightly, Input: '{"a": 1}'}}
  Sockets:
    Type: AWS::ApiGatewayV2::Api
    Properties: {Name: sockets, ProtocolType: WEBSOCKET, RouteSelectionExpression: $request.body.x}
  ConnectRoute:
    Type: AWS::ApiGatewayV2::Route
    Properties:
      ApiId: !Ref Sockets
      RouteKey: $connect
      Target: !Join [/, [integrations, !Ref ConnectIntegration]]
  ConnectIntegration:
    Type: AWS::ApiGatewayV2::Integration
    Properties:
      ApiId: !Ref Sockets
      IntegrationType: AWS_PROXY
      IntegrationUri: !Sub
        arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Connect.Arn}/invocations
  Live:
    Type: AWS::ApiGatewayV2::Stage
    Properties: {ApiId: !Ref Sockets, StageName: live, AutoDeploy: true}
"""
APP = """\
import boto3, json, os

def accept(event, context):
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=event["body"])
    token = event["headers"].get("authorization", "")
    print(f"accepted, password=hunter2, with {token}")
    return {"statusCode": 202, "body": json.dumps({"access_token": "s3cret", "seen": len(token)})}

def work(event, context):
    order = json.loads(event["Records"][0]["body"])
    if order.get("quantity", 1) < 1:
        raise ValueError("nothing was ordered")
    entry = {"Source": "orders", "DetailType": "Ordered", "Detail": json.dumps(order)}
    boto3.client("events").put_events(Entries=[entry])

def notify(event, context):
    boto3.client("dynamodb").put_item(TableName="kept", Item={"id": {"S": "1"}})
    endpoint = os.environ["AWS_ENDPOINT_URL_LAMBDA"] + "/live"
    sockets = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint)
    sockets.post_to_connection(ConnectionId=event["detail"]["to"], Data=b"done")

def follow(event, context):
    pass

def connect(event, context):
    return {"statusCode": 200}
"""


class Project:
    def __init__(self, root: Path) -> None:
        (root / "template.yaml").write_text(TEMPLATE)
        (root / "app.py").write_text(APP)
        (root / "pyproject.toml").write_text('[tool.lampwork]\nport = 0\nservices = ["aws"]\n')
        self.root = root
        self.data = root / ".lampwork"
        self.project = SampleProject(root)
        self.up()

    def up(self) -> None:
        self.process: LampworkProcess = self.project.up()
        self.origin = self.process.origin()
        session = boto3.session.Session("test", "test", region_name="us-east-1")
        self.sqs: Any = session.client("sqs", endpoint_url=self.origin)

    def run(self, *arguments: str, stdin: str = "", status: int = 0) -> str:
        """What `lampwork events` prints, which ends with this status."""
        with chdir(self.root):
            ran = CliRunner().invoke(events, arguments, input=stdin)
        assert ran.exit_code == status, ran.output
        refused = isinstance(ran.exception, LampworkError)
        return str(ran.exception) if refused else ran.stdout

    def ask(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        url = f"{self.origin}/_lampwork/api/{path}"
        if body is None:
            return httpx.get(url, headers=headers, timeout=90)
        return httpx.post(url, json=body, headers=headers, timeout=90)

    def api(self, path: str, body: Any = None, **headers: str) -> Any:
        return self.ask(path, body, **headers).raise_for_status().json()

    def newest(self, **wanted: Any) -> list[Any]:
        found = self.api(f"invocations?{httpx.QueryParams(wanted)}")["invocations"]
        return list(found)

    def awaited(self, **wanted: Any) -> Any:
        """The newest invocation of this kind, once there is one."""
        until(lambda: bool(self.newest(**wanted)))
        return self.newest(**wanted)[0]

    def order(self, order: Any, **headers: str) -> None:
        answer = httpx.post(f"{self.origin}/orders", json=order, headers=headers, timeout=90)
        answer.raise_for_status()

    def send(self, order: Any) -> None:
        url = self.sqs.get_queue_url(QueueName="jobs")["QueueUrl"]
        self.sqs.send_message(QueueUrl=url, MessageBody=json.dumps(order))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("history"))
    yield project
    project.project.close()


def test_a_chain_over_http_a_queue_a_bus_and_a_stream_to_a_socket_is_one_trace(
    project: Project,
) -> None:
    with connect(project.origin.replace("http", "ws", 1) + "/live", compression=None) as socket:
        opened = project.api(f"invocations/{project.awaited(trigger='websocket')['id']}")
        project.order({"to": opened["event"]["requestContext"]["connectionId"]})
        assert socket.recv(timeout=90) == "done"
        trace = project.awaited(function="Follow")["trace"]

    spans = project.api(f"traces/{trace}")["spans"]

    names = {each["id"]: each["function"] or each["trigger"]["kind"] for each in spans}
    chain = {names[each["id"]]: names.get(each["caused_by"]) for each in spans}
    assert chain == {
        "Accept": None,
        "Work": "Accept",
        "Notify": "Work",
        "Follow": "Notify",
        "connections": "Notify",
    }
    kinds = {names[each["id"]]: each["trigger"]["kind"] for each in spans}
    assert kinds["Accept"] == "http"
    assert kinds["Work"] == "sqs"
    assert kinds["Notify"] == "eventbridge"
    assert kinds["Follow"] == "dynamodb"
    assert [each["depth"] for each in spans][:3] == [0, 1, 2]


def test_an_event_that_failed_passes_once_it_is_edited(project: Project) -> None:
    project.send({"quantity": 0, "to": "nobody"})
    failed = project.awaited(function="Work", status="failed")
    shown = project.api(f"invocations/{failed['id']}")

    assert shown["error"] == "ValueError: nothing was ordered"
    assert "raise ValueError" in "\n".join(shown["stack"])
    assert "ValueError: nothing was ordered" in shown["log"]
    again = project.api(f"invocations/{failed['id']}/replay", {})
    assert (again["status"], again["replay_of"]) == ("failed", failed["id"])

    event = shown["event"]
    event["Records"][0]["body"] = json.dumps({"quantity": 1, "to": "nobody"})
    edited = project.api(f"invocations/{failed['id']}/replay", {"event": event})

    assert (edited["status"], edited["error"]) == ("ok", None)
    assert edited["event"] == event
    assert edited["trace"] not in (failed["trace"], "")


def test_secrets_are_hidden_and_are_sent_all_the_same_in_a_replay(project: Project) -> None:
    credential = "Bearer " + "s" * 30
    project.order({"password": "hunter2", "note": "kept"}, authorization=credential)
    number = project.newest(function="Accept")[0]["id"]
    shown = project.api(f"invocations/{number}")

    assert shown["event"]["headers"]["authorization"] == MASK
    assert json.loads(shown["event"]["body"]) == {"password": MASK, "note": "kept"}
    answered = json.loads(shown["answer"]["body"])
    assert answered == {"access_token": MASK, "seen": len(credential)}
    stored = b"".join(path.read_bytes() for path in project.data.glob("history.db*"))
    assert [each for each in (b"hunter2", b"ssssssss", b"s3cret") if each in stored] == []

    shown["event"]["headers"]["x-edited"] = "yes"
    again = project.api(f"invocations/{number}/replay", {"event": shown["event"]})
    assert json.loads(again["answer"]["body"])["seen"] == len(credential)
    assert again["still_masked"] == []


def test_a_list_is_paged_searched_and_narrowed(project: Project) -> None:
    for _ in range(3):
        project.order({"to": "nobody", "word": "needle_%"})
    page = project.api("invocations?function=Accept&limit=2")
    rest = project.api(f"invocations?function=Accept&limit=2&before={page['next']}")

    numbers = [each["id"] for each in page["invocations"] + rest["invocations"]]
    assert numbers == sorted(numbers, reverse=True)
    assert len(set(numbers)) == len(numbers) >= 3
    assert len(project.newest(function="Accept", search="NEEDLE_%")) >= 3
    assert project.newest(search="needleX%") == []
    assert project.newest(trigger="schedule")[0]["trigger"]["name"] == "nightly"
    assert project.newest(after=page["last"] + 1000) == []
    assert "Accept" in page["functions"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("invocations?limit=x", 400),
        ("invocations?before=-1", 400),
        ("invocations?status=green", 400),
        ("invocations/99999999999999999999999", 404),
        ("invocations/0/replay", 404),
        ("invocationsx", 404),
        ("traces/1-0", 404),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(project: Project, path: str, status: int) -> None:
    refused = project.ask(path)

    assert refused.status_code == status
    assert "message" in refused.json()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "tunnel.example"},
        {"Host": "192.0.2.1:8000"},
        {"X-Forwarded-For": "192.0.2.1"},
        {"Forwarded": "for=192.0.2.1"},
        {"Origin": "https://example.com"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_only_this_machine_and_the_own_page_may_ask(
    project: Project, headers: dict[str, str]
) -> None:
    assert project.ask("invocations", **headers).status_code == 403


def test_the_own_page_may_replay(project: Project) -> None:
    headers = {"Origin": project.origin, "Sec-Fetch-Site": "same-origin"}

    number = project.awaited(function="Nightly")["id"]

    assert project.api(f"invocations/{number}/replay", {}, **headers)["status"] == "ok"


def test_a_saved_test_sends_the_event_once_more(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.order({"to": "nobody"})
    number = project.newest(function="Accept")[0]["id"]
    saved = project.ask(f"invocations/{number}/pytest")
    event = project.ask(f"invocations/{number}/event.json")
    assert f'filename="test_event_{number}.py"' in saved.headers["Content-Disposition"]
    assert event.json() == project.api(f"invocations/{number}")["event"]
    module: dict[str, Any] = {}
    exec(saved.text, module)

    monkeypatch.chdir(project.root)
    module["test_accept_http_event"]()

    assert project.newest(function="Accept")[0]["id"] > number


def test_the_command_lists_shows_replays_and_saves(project: Project) -> None:
    project.send({"quantity": 0, "to": "nobody"})
    failed = project.awaited(function="Work", status="failed")
    number = str(failed["id"])

    listed = project.run("--status", "failing", "-n", "Work")
    assert number in listed.split()
    assert "ValueError: nothing was ordered" in listed
    assert json.loads(project.run("--json", "-n", "Work", "--limit", "1"))[0]["function"] == "Work"
    shown = project.run("show", number)
    assert "raise ValueError" in shown
    event = json.loads(project.run("save", number))
    event["Records"][0]["body"] = json.dumps({"to": "nobody"})

    green = project.run("replay", number, "-e", "-", "--json", stdin=json.dumps(event))
    red = project.run("replay", "--last", "-n", "Work", "--status", "failed", status=1)

    assert json.loads(green)["replay_of"] == failed["id"]
    assert "ValueError" in red


def test_the_command_says_what_is_wrong(project: Project) -> None:
    assert "--last" in project.run("show", status=1)
    assert "no such invocation" in project.run("show", "99999999", status=1)
    assert "cannot be read" in project.run("replay", "1", "-e", "-", stdin="{", status=1)
    assert "no such" in project.run("show", "--last", "-n", "Nobody", status=1)


def test_the_history_is_there_once_it_has_stopped_and_after_a_restart(project: Project) -> None:
    secret = "k" * 20
    project.order({"to": "nobody"}, **{"x-api-key": secret})
    number = project.newest(function="Accept")[0]["id"]
    project.process.stop()

    assert str(number) in project.run("-n", "Accept").split()
    assert json.loads(project.run("show", str(number), "--json"))["function"] == "Accept"
    assert json.loads(project.run("save", str(number)))["headers"]["x-api-key"] == MASK
    assert "Start `lampwork up`" in project.run("replay", str(number), status=1)

    project.up()
    again = project.api(f"invocations/{number}/replay", {})
    assert again["id"] > number
    assert again["still_masked"] == ["headers.x-api-key"]


def test_an_event_that_failed_passes_once_the_code_is_mended(project: Project) -> None:
    project.send({"quantity": 0, "to": "nobody"})
    failed = project.awaited(function="Work", status="failed")

    project.project.edit("app.py", lambda text: text.replace("raise ValueError", "print"))

    replay = f"invocations/{failed['id']}/replay"
    until(lambda: project.api(replay, {})["status"] == "ok")
