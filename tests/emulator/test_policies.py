"""`lampwork policies` and `lampwork up --enforce-iam`, with functions that ask AWS for more and for
less than their policies say."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result

from lampwork.cli import lampwork
from tests.emulator.lampwork_process import LampworkProcess, SampleProject

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.11, Timeout: 30, CodeUri: .}}
Resources:
  Orders:
    Type: AWS::Serverless::SimpleTable
  Jobs:
    Type: AWS::SQS::Queue
  News:
    Type: AWS::SNS::Topic
  Pictures:
    Type: AWS::S3::Bucket
    Properties: {BucketName: pictures}
  Exact:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.exact
      Environment: &names
        Variables: {TABLE: !Ref Orders, QUEUE: !Ref Jobs, TOPIC: !Ref News}
      Policies:
        - SQSSendMessagePolicy: {QueueName: !GetAtt Jobs.QueueName}
        - Statement:
            - {Effect: Allow, Action: s3:PutObject, Resource: !Sub "${Pictures.Arn}/small/*"}
  Wide:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.wide
      Environment: *names
      Policies:
        - DynamoDBReadPolicy: {TableName: !Ref Orders}
        - Statement:
            - {Effect: Allow, Action: "s3:*", Resource: "*"}
  Refused:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.refused
      Environment: *names
  Idle:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.exact
      Policies: [AmazonS3FullAccess]
"""
APP = """\
import os
import boto3
from botocore.exceptions import ClientError

def exact(event, context):
    sqs(), put("small/a.png")

def wide(event, context):
    get(), put("a.png")

def refused(event, context):
    def ask(call, *arguments):
        try:
            call(*arguments)
        except ClientError as error:
            said, meta = error.response["Error"], error.response["ResponseMetadata"]
            return said["Code"], meta["HTTPStatusCode"], said["Message"]
    asked = {each.__name__: ask(each) for each in (sqs, get, sns, invoke)}
    return {**asked, "s3": ask(put, "a.png")}

def sqs():
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody="x")

def put(key):
    boto3.client("s3").put_object(Bucket="pictures", Key=key, Body=b"x")

def get():
    boto3.client("dynamodb").get_item(TableName=os.environ["TABLE"], Key={"id": {"S": "1"}})

def sns():
    boto3.client("sns").publish(TopicArn=os.environ["TOPIC"], Message="x")

def invoke():
    boto3.client("lambda").invoke(FunctionName="Idle")
"""
CONFIG = """\
[tool.lampwork]
port = 0
services = ["aws"]
[tool.lampwork.accepted_permissions]
"Wide s3:*" = "to show that it can be accepted"
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleProject]:
    project = SampleProject.create(tmp_path_factory.mktemp("policies"))
    (project.root / "template.yaml").write_text(TEMPLATE)
    (project.root / "app.py").write_text(APP)
    (project.root / "pyproject.toml").write_text(CONFIG)
    yield project
    project.close()


@pytest.fixture(scope="module")
def enforcing(project: SampleProject) -> tuple[LampworkProcess, str]:
    running = project.up("--enforce-iam", "--no-reload")
    return running, running.origin()


@pytest.fixture(scope="module")
def answers(enforcing: tuple[LampworkProcess, str]) -> dict[str, Any]:
    """What Exact, Wide and Refused return: they run once, in this order."""
    _, origin = enforcing
    found = {}
    for name in ("Exact", "Wide", "Refused"):
        path = f"/2015-03-31/functions/{name}/invocations"
        found[name] = httpx.post(f"{origin}{path}", json={}, timeout=60).json()
    return found


def test_what_policies_allow_is_not_refused(answers):
    assert answers["Exact"] is None
    assert answers["Wide"] is None


def test_what_no_policy_allows_is_refused_in_the_words_of_each_service(answers):
    refused = answers["Refused"]
    user = "User: arn:aws:sts::000000000000:assumed-role/local-Refused-role/local-Refused"
    at = "us-east-1:000000000000"

    def said(action: str, resource: str) -> str:
        why = f"because no identity-based policy allows the {action} action"
        return f"{user} is not authorized to perform: {action} on resource: {resource} {why}"

    assert refused == {
        "sqs": ["AccessDenied", 403, said("sqs:sendmessage", f"arn:aws:sqs:{at}:local-Jobs")],
        "get": [
            "AccessDeniedException",
            400,
            said("dynamodb:GetItem", f"arn:aws:dynamodb:{at}:table/local-Orders"),
        ],
        "sns": ["AuthorizationError", 403, said("SNS:Publish", f"arn:aws:sns:{at}:local-News")],
        "invoke": [
            "AccessDeniedException",
            403,
            said("lambda:InvokeFunction", f"arn:aws:lambda:{at}:function:Idle"),
        ],
        "s3": ["AccessDenied", 403, said("s3:PutObject", '"arn:aws:s3:::pictures/a.png"')],
    }


def policies(project: SampleProject, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    monkeypatch.chdir(project.root)
    return CliRunner().invoke(lampwork, ["policies", *arguments])


def test_what_is_missing_unused_or_too_wide_is_told_with_a_policy_to_paste(
    project, answers, monkeypatch
):
    told = policies(project, monkeypatch, "--json", "--check")

    assert told.exit_code == 1
    exact, wide, refused = json.loads(told.stdout)
    assert [each["function"] for each in (exact, wide, refused)] == ["Exact", "Wide", "Refused"]
    missing = {each["action"] for each in refused["findings"]}
    assert {each["kind"] for each in refused["findings"]} == {"missing"}
    assert missing == {
        *("sqs:SendMessage", "dynamodb:GetItem", "sns:Publish"),
        *("lambda:InvokeFunction", "s3:PutObject"),
    }
    assert [each["action"] for each in wide["accepted"]] == ["s3:*"]
    assert {(each["kind"], each["action"]) for each in wide["findings"]} == {
        ("unused", f"dynamodb:{each}")
        for each in ("Scan", "Query", "BatchGetItem", "DescribeTable")
    }
    assert exact["findings"] == []
    assert exact["least_privilege"].splitlines() == [
        "Policies:",
        "  - Statement:",
        "      - Effect: Allow",
        "        Action: s3:PutObject",
        '        Resource: !Sub "${Pictures.Arn}/small/*"',
        "      - Effect: Allow",
        "        Action: sqs:SendMessage",
        "        Resource: !GetAtt Jobs.Arn",
    ]


def test_a_check_fails_where_there_is_nothing_to_judge(project, answers, monkeypatch):
    idle = policies(project, monkeypatch, "Idle", "--check")

    assert idle.exit_code == 1
    assert "No function has run yet" in idle.stderr
