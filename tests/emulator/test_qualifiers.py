"""Aliases and versions: what a function sees of them, and what Lambda's API refuses."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulator.lampwork_process import SampleProject

ARN = "arn:aws:lambda:us-east-1:000000000000:function:local-"
TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: python3.11, CodeUri: .}
Resources:
  Published:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      AutoPublishAlias: live
      Events:
        Get: {Type: HttpApi, Properties: {Method: GET, Path: /seen}}
  Plain:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.handler}
  First: {Type: "AWS::Lambda::Version", Properties: {FunctionName: !Ref Plain}}
  Second: {Type: "AWS::Lambda::Version", Properties: {FunctionName: !Ref Plain}}
  Beta:
    Type: AWS::Lambda::Alias
    Properties: {Name: beta, FunctionName: !GetAtt Plain.Arn, FunctionVersion: "2"}
"""
CODE = """\
import os

def handler(event, context):
    variable = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
    return [context.invoked_function_arn, context.function_version, variable]
"""


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("qualifiers")
    project = SampleProject.create(folder)
    (folder / "template.yaml").write_text(TEMPLATE)
    (folder / "app.py").write_text(CODE)
    yield project.up().origin()
    project.close()


@pytest.fixture(scope="module")
def client(origin: str) -> Any:
    return boto3.client(
        "lambda",
        endpoint_url=origin,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )


def seen(answer: Any) -> list[str]:
    content: list[str] = json.load(answer["Payload"])
    return [*content, answer["ExecutedVersion"]]


def test_a_route_leads_to_the_alias_that_sam_publishes(origin: str) -> None:
    with urllib.request.urlopen(f"{origin}/seen") as response:
        assert json.load(response) == [f"{ARN}Published:live", "1", "1"]


@pytest.mark.parametrize(
    ("name", "given", "arn", "version"),
    [
        ("local-Published", {}, "Published", "$LATEST"),
        ("local-Published:live", {}, "Published:live", "1"),
        ("local-Published", {"Qualifier": "live"}, "Published:live", "1"),
        ("local-Published", {"Qualifier": "1"}, "Published:1", "1"),
        ("local-Plain", {}, "Plain", "$LATEST"),
        (f"{ARN}Plain:beta", {"Qualifier": "beta"}, "Plain:beta", "2"),
        ("000000000000:function:local-Plain:1", {}, "Plain:1", "1"),
    ],
)
def test_a_function_sees_by_which_name_it_was_called_and_in_which_version(
    client: Any, name: str, given: dict[str, str], arn: str, version: str
) -> None:
    """Source: https://docs.aws.amazon.com/lambda/latest/dg/python-context.html"""
    answer = client.invoke(FunctionName=name, **given)

    assert seen(answer) == [f"{ARN}{arn}", version, version, version]


@pytest.mark.parametrize(
    ("name", "given", "missing"),
    [
        ("local-Plain", {"Qualifier": "live"}, "Plain:live"),
        ("local-Plain:3", {}, "Plain:3"),
        (f"{ARN}Published:beta", {}, "Published:beta"),
    ],
)
def test_an_alias_or_a_version_that_does_not_exist_is_not_found(
    client: Any, name: str, given: dict[str, str], missing: str
) -> None:
    """Source: https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html#API_Invoke_Errors"""
    with pytest.raises(ClientError) as refused:
        client.invoke(FunctionName=name, **given)

    error = refused.value.response["Error"]
    assert error["Code"] == "ResourceNotFoundException"
    assert error["Message"] == f"Function not found: {ARN}{missing}"


def test_two_different_qualifiers_are_refused(client: Any) -> None:
    """Source: https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-templated.html"""
    with pytest.raises(ClientError, match="derived qualifier from the function name does not"):
        client.invoke(FunctionName="local-Plain:1", Qualifier="beta")
