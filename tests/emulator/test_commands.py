"""The commands of `lampwork` other than `up` and `invoke`, as a user of `sam local` types them."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest

from tests.emulator.lampwork_process import LampworkProcess, SampleProject

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, Timeout: 1, CodeUri: .}
Resources:
  Hello:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      Environment: {Variables: {COLOUR: template}}
      Events:
        Get: {Type: HttpApi, Properties: {Method: GET, Path: /hello}}
  Fail:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.fail
      Events:
        Get: {Type: HttpApi, Properties: {Method: GET, Path: /fail}}
  Ticker:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.tick
      Events:
        Often: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}
"""
APP = """\
import json, os

def handler(event, context):
    print("said by hello")
    return {"colour": os.environ["COLOUR"], "path": event.get("rawPath")}

def fail(event, context):
    return json.loads("{")

def tick(event, context):
    print("tick")
"""
UNLOADABLE = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.11, CodeUri: .}}
Resources:
  Typo:
    Type: AWS::Serverless::Function
    Properties:
      Handler: typo.handler
      Events: {Get: {Type: HttpApi, Properties: {Method: GET, Path: /typo}}}
  Unnamed:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handle
      Events: {Get: {Type: HttpApi, Properties: {Method: GET, Path: /unnamed}}}
  Nowhere:
    Type: AWS::Serverless::Function
    Properties:
      Handler: web.app.handler
      Events: {Get: {Type: HttpApi, Properties: {Method: GET, Path: /nowhere}}}
  Dotless:
    Type: AWS::Serverless::Function
    Properties:
      Handler: handler
      Events: {Get: {Type: HttpApi, Properties: {Method: GET, Path: /dotless}}}
"""
CONFIG = "[tool.lampwork]\nport = 0\nservices = []\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleProject]:
    created = _project(tmp_path_factory.mktemp("project"))
    yield created
    created.close()


@pytest.fixture(scope="module")
def lampwork(project: SampleProject) -> LampworkProcess:
    """It has served /hello and /fail once."""
    running = project.up()
    origin = running.origin()
    httpx.get(f"{origin}/hello")
    httpx.get(f"{origin}/fail")
    running.until("GET /fail")
    return running


@pytest.fixture
def another(tmp_path: Path) -> Iterator[SampleProject]:
    created = _project(tmp_path)
    yield created
    created.close()


def _project(folder: Path) -> SampleProject:
    (folder / "app.py").write_text(APP)
    (folder / "template.yaml").write_text(TEMPLATE)
    (folder / "pyproject.toml").write_text(CONFIG)
    return SampleProject(folder)


def test_start_api_serves_the_apis_and_leaves_triggers_alone(another: SampleProject) -> None:
    lampwork = another.start("start-api", "--port", "0", "--host", "0.0.0.0")
    lampwork.until("Listening on 0.0.0.0: whoever reaches this machine can run its functions")
    origin = lampwork.origin()

    assert httpx.get(f"{origin}/hello").json() == {"colour": "template", "path": "/hello"}
    assert not any("schedule" in line or " tick" in line for line in lampwork.output)


def test_start_lambda_serves_invoke_alone_with_variables_as_sam_takes_them(
    another: SampleProject,
) -> None:
    variables = another.root / "variables.json"
    variables.write_text('{"Hello": {"COLOUR": "blue"}, "Parameters": {"COLOUR": "red"}}')
    origin = another.start("start-lambda", "-p", "0", "-n", str(variables)).origin()
    client = boto3.client(
        "lambda",
        endpoint_url=origin,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )

    answer = client.invoke(FunctionName="Hello", Payload=b"{}")

    assert json.load(answer["Payload"])["colour"] == "blue"
    assert httpx.get(f"{origin}/hello").status_code == 404


def test_logs_shows_what_a_function_printed_with_the_id_of_its_request(
    project: SampleProject, lampwork: LampworkProcess
) -> None:
    shown = project.run("logs", "-n", "Hello").stdout.splitlines()

    assert len(shown) == 1
    assert shown[0].split()[1] == "Hello"
    assert len(shown[0].split()[2]) == 36
    assert shown[0].endswith(" said by hello")


def test_logs_shows_a_traceback_whole(project: SampleProject, lampwork: LampworkProcess) -> None:
    shown = project.run("logs", "-n", "Fail").stdout

    assert shown.count("JSONDecodeError") == 1
    assert 'return json.loads("{")' in shown
    assert "… 3 frames of Python" in shown


def test_logs_follows_new_lines(project: SampleProject, lampwork: LampworkProcess) -> None:
    following = project.start("logs", "-f", "--name", "Hello")
    following.until("said by hello")

    assert project.run("invoke", "Hello", "--no-event").returncode == 0

    assert following.until("said by hello")


def test_logs_of_an_unknown_name_lists_the_known_names(
    project: SampleProject, lampwork: LampworkProcess
) -> None:
    shown = project.run("logs", "-n", "Helo")

    assert shown.returncode == 1
    assert "The log has no entries of Helo, only of " in shown.stderr
    assert "Hello" in shown.stderr


@pytest.mark.parametrize("command", ["up", "routes"])
def test_a_data_folder_that_cannot_be_created_is_reported(
    another: SampleProject, command: str
) -> None:
    refused = another.run(command, "--data", "app.py/data")

    assert refused.returncode == 1
    assert refused.stderr == (
        f"Error: Data cannot be kept in {another.root}/app.py/data (Not a directory:"
        f" {another.root}/app.py/data). Name another folder with --data.\n"
    )


def test_variables_for_an_unknown_function_are_reported(another: SampleProject) -> None:
    variables = another.root / "variables.json"
    variables.write_text('{"Helo": {"COLOUR": "red"}, "Parameters": {"COLOUR": "blue"}}')

    lampwork = another.start("start-lambda", "-p", "0", "-n", str(variables))

    lampwork.until("--env-vars names no function: Helo.")


def test_logs_says_where_logs_come_from_when_there_are_none(another: SampleProject) -> None:
    assert "`lampwork up` writes it" in another.run("logs").stderr


def test_a_failing_function_shows_its_traceback_once_with_the_users_own_frames(
    lampwork: LampworkProcess,
) -> None:
    output = "".join(lampwork.output)

    assert output.count("JSONDecodeError") == 1
    assert 'app.py", line 8, in fail' in output
    assert 'return json.loads("{")' in output
    assert "… 3 frames of Python" in output
    assert "json/decoder.py" not in output


def test_functions_that_cannot_be_loaded_are_reported_once_with_their_line_and_can_be_fixed(
    another: SampleProject,
) -> None:
    template, app = another.root / "template.yaml", another.root / "app.py"
    template.write_text(UNLOADABLE)
    (another.root / "typo.py").write_text("import os\ndef handler(event, context)\n")
    lampwork = another.up()
    origin = lampwork.origin()

    names = ("typo", "unnamed", "nowhere", "dotless")
    answers = [httpx.get(f"{origin}/{name}") for name in names * 2]
    app.write_text("def handler(:\n")
    lampwork.until("app.py:1: invalid syntax; Unnamed cannot be loaded.")
    app.write_text("def handle(event, context): return {}\n")
    lampwork.until("Reloaded")

    assert [(each.status_code, each.text) for each in answers] == [
        (500, '{"message":"Internal Server Error"}')
    ] * 8
    printed = lampwork.output[: next(n for n, line in enumerate(lampwork.output) if "GET" in line)]
    assert [line.split(maxsplit=2)[2].rstrip() for line in printed if "lampwork  " in line] == [
        f"{another.root}/typo.py:2: expected ':'; Typo cannot be loaded.",
        f"{template}:12: the handler app.handle of Unnamed is not there: {app} defines no handle.",
        f"{template}:17: the handler web.app.handler of Nowhere has no module web.app in"
        f" {another.root}; correct its Handler or CodeUri.",
        f"{template}:22: the handler 'handler' of Dotless must be written as module.function.",
    ]
    assert not any("Traceback" in line or "[ERROR]" in line for line in lampwork.output)
    assert httpx.get(f"{origin}/unnamed").status_code == 200


def test_a_debugger_can_attach_and_timeouts_wait_for_it(another: SampleProject) -> None:
    another.edit("app.py", lambda text: text.replace("json.loads", "__import__('time').sleep(9)#"))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    lampwork = another.up("--debug", "Hello", "--debug-port", str(port))
    origin = lampwork.origin()
    answers: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(httpx.get(f"{origin}/hello", timeout=30))
    )
    asking.start()
    lampwork.until(f"Waiting for a debugger at localhost:{port}")
    slow = httpx.get(f"{origin}/fail", timeout=30)  # as long as either function may take

    with socket.create_connection(("127.0.0.1", port), 5) as client:
        debugger = Debugger(client)
        debugger.request("initialize", {"adapterID": "test"})
        debugger.request("attach", {"connect": {"host": "127.0.0.1", "port": port}})
        debugger.until("initialized")
        debugger.request("configurationDone", {})
        asking.join(20)

    assert slow.status_code == 500
    assert [answer.status_code for answer in answers] == [200]


def test_a_function_to_debug_must_be_in_the_template(another: SampleProject) -> None:
    failed = another.run("up", "--debug", "Nobody")

    assert failed.returncode == 1
    assert failed.stderr.startswith("Error: There is no function 'Nobody'; the template has Fail, ")


def test_a_port_for_debuggers_needs_no_name_when_there_is_only_one_function(
    another: SampleProject,
) -> None:
    """As with `sam local start-lambda -d 5678`."""
    several = another.run("start-lambda", "-d", "5678")
    another.edit("template.yaml", lambda text: text[: text.index("  Fail:")])
    one = another.start("start-lambda", "-p", "0", "-d", "5678")

    assert several.stderr == (
        "Error: --debug-port needs --debug NAME, the function to debug: Fail, Hello, Ticker.\n"
    )
    one.origin()


def test_invoke_needs_no_name_when_there_is_only_one_function(another: SampleProject) -> None:
    several = another.run("invoke")
    another.edit("template.yaml", lambda text: text[: text.index("  Fail:")])
    one = another.run("invoke", "--no-event")

    assert several.stderr == "Error: Name the function to invoke. There are Fail, Hello, Ticker.\n"
    assert json.loads(one.stdout) == {"colour": "template", "path": None}


def test_an_event_can_be_generated_and_passed_to_invoke(
    project: SampleProject, lampwork: LampworkProcess
) -> None:
    event = project.run(
        *("generate-event", "apigateway", "http-api", "--path", "/tasks/7?a=1"),
        *("--route", "/tasks/{id}"),
    ).stdout

    answer = project.run("invoke", "Hello", "-e", "-", stdin=event)

    made = json.loads(event)
    assert made["routeKey"] == "GET /tasks/{id}"
    assert made["pathParameters"] == {"id": "7"}
    assert made["queryStringParameters"] == {"a": "1"}
    assert json.loads(answer.stdout)["path"] == "/tasks/7"


@pytest.mark.parametrize(
    ("arguments", "path", "value"),
    [
        (["apigateway", "http-api-proxy", "--stage", "dev"], ("rawPath",), "/dev/hello"),
        (["apigateway", "aws-proxy", "--path", "/a?b=1"], ("path",), "/a"),
        (["apigateway", "aws-proxy"], ("requestContext", "path"), "/Prod/hello"),
        (["eventbridge", "event", "--detail", '{"a": [1]}'], ("detail",), {"a": [1]}),
        (["eventbridge", "scheduled-event"], ("source",), "aws.events"),
        (["apigateway", "websocket-connect"], ("requestContext", "eventType"), "CONNECT"),
        (["apigateway", "websocket-message", "--route", "x"], ("requestContext", "routeKey"), "x"),
        (
            ["apigateway", "websocket-disconnect", "--code", "4001"],
            ("requestContext", "disconnectStatusCode"),
            4001,
        ),
        (["sqs", "receive-message", "--body", "hi"], ("Records", 0, "body"), "hi"),
        (["s3", "put", "--key", "a b"], ("Records", 0, "s3", "object", "key"), "a+b"),
        (["s3", "delete"], ("Records", 0, "eventName"), "ObjectRemoved:Delete"),
        (["sns", "notification", "--message", "hi"], ("Records", 0, "Sns", "Message"), "hi"),
        (["dynamodb", "update"], ("Records", 0, "eventName"), "INSERT"),
        (
            ["dynamodb", "update", "--old", '{"id": {"S": "7"}}'],
            ("Records", 0, "dynamodb", "Keys"),
            {"id": {"S": "7"}},
        ),
        (["cloudwatch", "scheduled-event"], ("source",), "aws.events"),
        (["cloudwatch", "scheduled-event", "--scheduler"], ("detail",), "{}"),
    ],
)
def test_generated_events_are_those_the_emulator_itself_sends(
    project: SampleProject, arguments: list[str], path: tuple[Any, ...], value: object
) -> None:
    event = json.loads(project.run("generate-event", *arguments).stdout)

    for key in path:
        event = event[key]
    assert event == value


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["eventbridge", "event", "--detail", "["], "Invalid value for --detail: "),
        (["apigateway", "aws-proxy", "--route", "/a/{id}"], "/hello does not fit /a/{id}."),
    ],
)
def test_an_event_that_cannot_be_generated_is_reported(
    project: SampleProject, arguments: list[str], problem: str
) -> None:
    failed = project.run("generate-event", *arguments)

    assert failed.returncode == 2
    assert problem in failed.stderr
    assert failed.stdout == ""


class Debugger:
    """A client of the Debug Adapter Protocol, as far as attaching goes."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._stream = connection.makefile("rb")
        self._number = 0

    def request(self, command: str, arguments: dict[str, Any]) -> None:
        self._number += 1
        message = {
            "seq": self._number,
            "type": "request",
            "command": command,
            "arguments": arguments,
        }
        body = json.dumps(message).encode()
        self._connection.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def until(self, event: str) -> None:
        while self._read().get("event") != event:
            pass

    def _read(self) -> dict[str, Any]:
        length = int(self._stream.readline().removeprefix(b"Content-Length: "))
        self._stream.readline()
        message: dict[str, Any] = json.loads(self._stream.read(length))
        return message
