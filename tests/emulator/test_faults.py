"""Functions that fail in every way, as clients of the gateways see them."""

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from botocore.config import Config
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.emulator.lampwork_process import SampleProject

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, Timeout: 1, CodeUri: .}
Resources:
  Fine:
    Type: AWS::Serverless::Function
    Properties:
      Handler: fine.handler
      Events: {Get: {Type: HttpApi, Properties: {Method: GET, Path: /fine}}}
  Exits:
    Type: AWS::Serverless::Function
    Properties:
      Handler: faulty.exits
      Events: {Get: {Type: HttpApi, Properties: {Method: GET, Path: /exits}}}
  Hangs:
    Type: AWS::Serverless::Function
    Properties:
      Handler: faulty.hangs
      Events: {Get: {Type: HttpApi, Properties: {Method: GET, Path: /hangs}}}
  Raises:
    Type: AWS::Serverless::Function
    Properties:
      Handler: faulty.raises
      Events: {Get: {Type: HttpApi, Properties: {Method: GET, Path: /raises}}}
  Unimportable:
    Type: AWS::Serverless::Function
    Properties:
      Handler: unimportable.handler
      Events: {Get: {Type: HttpApi, Properties: {Method: GET, Path: /unimportable}}}
  Sockets:
    Type: AWS::Serverless::WebSocketApi
    Properties:
      StageName: ws
      RouteSelectionExpression: $request.body.action
      Routes:
        $connect: {FunctionArn: !GetAtt Exits.Arn}
"""

FAULTY = """\
import os, time

def exits(event, context):
    os._exit(3)

def hangs(event, context):
    while True:
        time.sleep(60)

def raises(event, context):
    raise ValueError("on purpose")
"""

CODE = {
    "template.yaml": TEMPLATE,
    "pyproject.toml": "[tool.lampwork]\nport = 0\nservices = []\n",
    "faulty.py": FAULTY,
    "fine.py": "def handler(event, context):\n    return {'fine': True}\n",
    "unimportable.py": "import no_such_package\n\ndef handler(event, context): ...\n",
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    root: Path = tmp_path_factory.mktemp("faults")
    for name, text in CODE.items():
        (root / name).write_text(text)
    project = SampleProject(root)
    yield project.up().origin()
    project.close()


@pytest.mark.parametrize("name", ["exits", "hangs", "raises", "unimportable"])
def test_a_faulty_function_is_an_internal_error_and_the_others_go_on(origin, name):
    for _ in range(2):
        answer = httpx.get(f"{origin}/{name}", timeout=10)

        assert (answer.status_code, answer.json()) == (500, {"message": "Internal Server Error"})
        assert httpx.get(f"{origin}/fine").json() == {"fine": True}


def test_a_socket_whose_connect_function_dies_is_refused_with_502(origin):
    with pytest.raises(InvalidStatus) as refused, connect(origin.replace("http", "ws") + "/ws"):
        pass

    assert refused.value.response.status_code == 502
    assert httpx.get(f"{origin}/fine").json() == {"fine": True}


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("Exits", "Runtime.ExitError", "Error: Runtime exited with error: exit status 3"),
        ("Hangs", "Sandbox.Timedout", "Error: Task timed out after 1.00 seconds"),
        ("Raises", "ValueError", "on purpose"),
        ("Unimportable", "Runtime.ImportModuleError", "No module named 'no_such_package'"),
    ],
)
def test_the_invoke_api_reports_what_happened(origin, name, kind, message):
    client = boto3.client(
        "lambda",
        endpoint_url=origin,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )

    answer = client.invoke(FunctionName=f"local-{name}", Payload=b"{}")
    error = json.loads(answer["Payload"].read())
    client.close()

    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert error["errorType"] == kind
    assert message in error["errorMessage"]
