"""Pipes of EventBridge, with the embedded AWS, as boto3 sees them.

* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-event-source.html
* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html
* https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-input-transformation.html
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from lampwork.events.pipes import events_of, resolved, transformed
from tests.emulator.lampwork_process import LampworkProcess, SampleProject
from tests.emulator.stacks import read_text
from tests.waiting import until

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.11, CodeUri: ., Timeout: 5}}
Resources:
  Orders: {Type: AWS::SQS::Queue, Properties: {QueueName: orders, VisibilityTimeout: 5}}
  Told: {Type: AWS::SQS::Queue, Properties: {QueueName: told}}
  Clicks: {Type: AWS::Kinesis::Stream, Properties: {Name: clicks, ShardCount: 1}}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: bus}}
  Rows:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: rows
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_IMAGE}
  OnBus:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {detail-type: [click]}
      Targets: [{Id: told, Arn: !GetAtt Told.Arn}]
  Enrich: {Type: AWS::Serverless::Function, Properties: {Handler: app.enrich}}
  Take:
    Type: AWS::Serverless::Function
    Properties: {Handler: app.take, Environment: {Variables: {QUEUE: !Ref Told}}}
  OrdersToTake:
    Type: AWS::Pipes::Pipe
    Properties:
      Name: orders-to-take
      RoleArn: arn:aws:iam::000000000000:role/any
      Source: !GetAtt Orders.Arn
      SourceParameters:
        SqsQueueParameters: {BatchSize: 1}
        FilterCriteria: {Filters: [{Pattern: '{"body": {"kind": ["order"]}}'}]}
      Enrichment: !GetAtt Enrich.Arn
      EnrichmentParameters:
        InputTemplate: >-
          {"id": <$.body.id>, "from": "<$.eventSource>", "pipe": <aws.pipes.pipe-name>}
      Target: !GetAtt Take.Arn
  RowsToTold:
    Type: AWS::Pipes::Pipe
    Properties:
      RoleArn: arn:aws:iam::000000000000:role/any
      Source: !GetAtt Rows.StreamArn
      SourceParameters: {DynamoDBStreamParameters: {StartingPosition: LATEST, BatchSize: 5}}
      Target: !GetAtt Told.Arn
      TargetParameters: {InputTemplate: '{"row": "<$.dynamodb.Keys.id.S>"}'}
  ClicksToBus:
    Type: AWS::Pipes::Pipe
    Properties:
      RoleArn: arn:aws:iam::000000000000:role/any
      Source: !GetAtt Clicks.Arn
      SourceParameters:
        KinesisStreamParameters: {StartingPosition: TRIM_HORIZON}
        FilterCriteria: {Filters: [{Pattern: '{"data": {"page": [{"exists": true}]}}'}]}
      Target: !GetAtt Bus.Arn
      TargetParameters:
        InputTemplate: '{"page": <$.data.page>}'
        EventBridgeEventBusParameters: {DetailType: click, Source: shop}
  Stopped:
    Type: AWS::Pipes::Pipe
    Properties:
      RoleArn: arn:aws:iam::000000000000:role/any
      DesiredState: STOPPED
      Source: !GetAtt Orders.Arn
      Target: !GetAtt Told.Arn
"""
APP = """\
import boto3, json, os

def enrich(events, context):
    print("ENRICH", json.dumps(events))
    return [{**event, "rich": True} for event in events if event["id"] != "drop"]

failed = set()

def take(events, context):
    (event,) = events
    if event["id"] == "again" and "again" not in failed:
        failed.add("again")
        raise ValueError("not yet")
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""


class Cloud:
    def __init__(self, root: Path) -> None:
        (root / "template.yaml").write_text(TEMPLATE)
        (root / "app.py").write_text(APP)
        (root / "pyproject.toml").write_text('[tool.lampwork]\nport = 0\nservices = ["aws"]\n')
        self.project = SampleProject(root)
        self.process: LampworkProcess = self.project.up("--time-scale", "0.01")
        self.origin = self.process.origin()
        self.session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
        self._told: list[Any] = []

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.origin)

    def send(self, body: Any) -> None:
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(body))

    def told(self, name: str, value: Any) -> Any:
        """Wait for the message whose field has this value."""
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName="told")["QueueUrl"]

        def found() -> list[Any]:
            return [each for each in self._told if each.get(name) == value]

        def came() -> bool:
            answer = sqs.receive_message(
                QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10
            ).get("Messages", [])
            self._told.extend(json.loads(each["Body"]) for each in answer)
            return bool(found())

        if not found():
            until(came)
        return found()[0]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path_factory.mktemp("pipes"))
    yield cloud
    cloud.project.close()


def test_a_message_is_filtered_enriched_and_delivered(cloud: Cloud) -> None:
    cloud.send({"kind": "offer", "id": "no"})
    cloud.send({"kind": "order", "id": "drop"})
    cloud.send({"kind": "order", "id": "yes"})

    assert cloud.told("id", "yes") == {
        "id": "yes", "from": "aws:sqs", "pipe": "orders-to-take", "rich": True,
    }  # fmt: skip
    until(lambda: any('"drop"' in line for line in cloud.process.output))
    assert not any('"no"' in line for line in cloud.process.output)
    assert not any(each.get("id") == "drop" for each in cloud._told)


def test_a_batch_whose_target_fails_is_tried_again(cloud: Cloud) -> None:
    cloud.send({"kind": "order", "id": "again"})

    assert cloud.told("id", "again")["rich"] is True


def test_a_change_of_a_table_becomes_a_message(cloud: Cloud) -> None:
    cloud.client("dynamodb").put_item(TableName="rows", Item={"id": {"S": "r1"}})

    assert cloud.told("row", "r1") == {"row": "r1"}


def test_a_record_of_a_stream_becomes_an_event_of_a_bus(cloud: Cloud) -> None:
    kinesis = cloud.client("kinesis")
    kinesis.put_record(StreamName="clicks", Data=b"no json", PartitionKey="k")
    kinesis.put_record(StreamName="clicks", Data=b'{"page": "home"}', PartitionKey="k")

    event = cloud.told("detail-type", "click")

    assert (event["source"], event["detail"]) == ("shop", {"page": "home"})


def test_pipes_are_listed(cloud: Cloud) -> None:
    listed = cloud.project.run("routes").stdout

    assert "orders" in listed
    assert "OrdersToTake" not in "".join(cloud.process.output)  # nothing is said to be missing
    assert listed.count("pipe") >= 3


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ("Source: arn:aws:mq:eu-west-1:1:broker:b, Target: !GetAtt Q.Arn", "its source is"),
        ("Source: !GetAtt Q.Arn, Target: arn:aws:batch:eu-west-1:1:job-queue/q",
         "nothing here takes its events for arn:aws:batch"),
        ("Source: !GetAtt Q.Arn, Target: arn:aws:lambda:eu-west-1:1:function:gone",
         "there is no function"),
    ],
)  # fmt: skip
def test_a_pipe_from_or_to_what_is_not_here_is_named(
    tmp_path: Path, properties: str, reason: str
) -> None:
    template = f"""\
Resources:
  Q: {{Type: AWS::SQS::Queue}}
  P: {{Type: AWS::Pipes::Pipe, Properties: {{{properties}}}}}
"""
    (ignored,) = read_text(tmp_path, template).ignored

    assert ignored.logical_id == "P"
    assert reason in ignored.reason


MESSAGE = {
    "messageId": "m",
    "body": '{"key": "v", "list": [1, {"a": 2}]}',
    "eventSource": "aws:sqs",
}
NAMES = {"pipe-name": "p", "event.ingestion-time": "now"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        (None, MESSAGE),
        ("Hello, sender", "Hello, sender"),
        ("<$.messageId>", "m"),
        ("Hello, <$.body.key>", 'Hello, "v"'),
        ('"Hello, <$.body.key>"', "Hello, v"),
        ('{"a": <$.body.key>, "b": <$.body.list[1]>, "t": "<aws.pipes.event.ingestion-time>"}',
         {"a": "v", "b": {"a": 2}, "t": "now"}),
        ('{"e": <aws.pipes.event.json>}',
         {"e": {**MESSAGE, "body": {"key": "v", "list": [1, {"a": 2}]}}}),
    ],
)  # fmt: skip
def test_an_input_template_is_filled(template: str | None, expected: Any) -> None:
    assert transformed(template, MESSAGE, NAMES) == expected


def test_the_data_of_a_kinesis_record_is_decoded_and_flat() -> None:
    data = base64.b64encode(b'{"page": "home"}').decode()
    record = {
        "kinesis": {"data": data, "partitionKey": "k", "sequenceNumber": "1"},
        "eventSource": "aws:kinesis",
    }

    (event,) = events_of(json.dumps({"Records": [record]}).encode())

    assert event["partitionKey"] == "k"
    assert event["data"] == data
    assert transformed("<$.data.page>", event, {}) == "home"
    assert resolved("$.data.page", event) == "home"
    assert resolved("fixed", event) == "fixed"
