"""AWS's layer of parameters and secrets: functions read them from a server at localhost.

https://docs.aws.amazon.com/systems-manager/latest/userguide/ps-integration-lambda-extensions.html
"""

import socket
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
import pytest

from tests.emulator.lampwork_process import SampleProject

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Key: {Type: AWS::SSM::Parameter, Properties: {Name: /shop/key, Type: String, Value: abc}}
  Password: {Type: AWS::SecretsManager::Secret, Properties: {Name: password, SecretString: xyz}}
  Read:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      Handler: app.read
      Timeout: 10
      Environment: {Variables: {PARAMETERS_SECRETS_EXTENSION_HTTP_PORT: at}}
      Layers:
        - arn:aws:lambda:us-east-1:177933569100:layer:AWS-Parameters-and-Secrets-Lambda-Extension:11
"""
APP = """\
import json, os, urllib.parse, urllib.request

def get(path, **query):
    port = os.environ["PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"]
    url = f"http://localhost:{port}{path}?{urllib.parse.urlencode(query)}"
    token = {"X-Aws-Parameters-Secrets-Token": os.environ["AWS_SESSION_TOKEN"]}
    return json.load(urllib.request.urlopen(urllib.request.Request(url, headers=token)))

def read(event, context):
    key = get("/systemsmanager/parameters/get/", name="/shop/key", withDecryption="true")
    password = get("/secretsmanager/get", secretId="password")
    return [key["Parameter"]["Value"], password["SecretString"]]
"""


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        number: int = found.getsockname()[1]
        return number


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[SampleProject]:
    root = tmp_path_factory.mktemp("secrets")
    (root / "template.yaml").write_text(TEMPLATE.replace(": at}", f': "{port}"}}'))
    (root / "app.py").write_text(APP)
    (root / "pyproject.toml").write_text('[tool.lampwork]\nport = 0\nservices = ["aws"]\n')
    created = SampleProject(root)
    yield created
    created.close()


@pytest.fixture(scope="module")
def origin(project: SampleProject) -> str:
    return project.up().origin()


def test_a_function_with_the_layer_reads_parameters_and_secrets(origin: str) -> None:
    session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
    answer = session.client("lambda", endpoint_url=origin).invoke(FunctionName="local-Read")
    assert answer["Payload"].read().decode() == '["abc", "xyz"]'


def status_of(port: int, path: str, headers: dict[str, str]) -> int:
    with pytest.raises(HTTPError) as raised:
        urlopen(Request(f"http://localhost:{port}{path}", headers=headers))
    raised.value.close()
    return raised.value.code


def test_who_sends_no_token_learns_nothing(origin: str, port: int) -> None:
    assert status_of(port, "/secretsmanager/get?secretId=password", {}) == 401


def test_a_secret_that_is_not_there_is_an_error(origin: str, port: int) -> None:
    token = {"X-Aws-Parameters-Secrets-Token": "token"}
    assert status_of(port, "/secretsmanager/get?secretId=none", token) == 400
    assert status_of(port, "/other", token) == 404


def test_the_layer_is_not_named_as_missing(origin: str, project: SampleProject) -> None:
    assert "Not emulated" not in "".join(project.started[0].output)
