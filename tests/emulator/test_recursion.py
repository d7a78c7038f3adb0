"""Functions that invoke themselves through a service, and what a request's trace header carries.

* https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
* https://aws.amazon.com/blogs/compute/detecting-and-stopping-recursive-loops-in-aws-lambda-functions/
"""

import json
import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from urllib3 import HTTPResponse

from lampwork.cloud.in_process import Clients
from lampwork.cloud.request_trace import with_trace
from lampwork.events.trace_lineage import (
    earlier_invocations,
    longest_chain,
    trace_of_invocation,
)
from tests.emulator.lampwork_process import LampworkProcess, SampleProject
from tests.waiting import until

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.11, CodeUri: ., Timeout: 5}}
Resources:
  Loop:
    Type: AWS::SQS::Queue
    Properties:
      QueueName: loop
      VisibilityTimeout: 1
      RedrivePolicy: {maxReceiveCount: 1, deadLetterTargetArn: !GetAtt Dead.Arn}
  Wanted: {Type: AWS::SQS::Queue, Properties: {QueueName: wanted}}
  Ordered:
    Type: AWS::SQS::Queue
    Properties: {QueueName: ordered.fifo, FifoQueue: true, ContentBasedDeduplication: true}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: dead}}
  Topic: {Type: AWS::SNS::Topic, Properties: {TopicName: topic}}
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {BucketName: bucket}
  ByQueue:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.by_queue
      Timeout: 1
      Events: {Q: {Type: SQS, Properties: {Queue: !GetAtt Loop.Arn, BatchSize: 1}}}
  Allowed:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.by_queue
      RecursiveLoop: Allow
      Events: {Q: {Type: SQS, Properties: {Queue: !GetAtt Wanted.Arn, BatchSize: 1}}}
  ByTopic:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.by_topic
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Dead.Arn}
      Events: {T: {Type: SNS, Properties: {Topic: !Ref Topic}}}
  ByBucket:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.by_bucket
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Dead.Arn}
      Events: {B: {Type: S3, Properties: {Bucket: !Ref Bucket, Events: s3:ObjectCreated:*}}}
  ByInvoke:
    Type: AWS::Serverless::Function
    Properties: {FunctionName: by-invoke, Handler: app.by_invoke, Timeout: 30}
"""
APP = """\
import boto3, json

def by_queue(event, context):
    (record,) = event["Records"]
    queue, number = record["eventSourceARN"].split(":")[-1], int(record["body"])
    print(f"HOP {queue} {number} {record['attributes'].get('AWSTraceHeader')}")
    if number < 20:
        sqs = boto3.client("sqs")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=str(number + 1))

def by_topic(event, context):
    (record,) = event["Records"]
    number = int(record["Sns"]["Message"])
    print(f"HOP topic {number}")
    if number < 20:
        boto3.client("sns").publish(TopicArn=record["Sns"]["TopicArn"], Message=str(number + 1))

def by_bucket(event, context):
    (record,) = event["Records"]
    number = int(record["s3"]["object"]["key"])
    print(f"HOP bucket {number}")
    if number < 20:
        boto3.client("s3").put_object(Bucket="bucket", Key=str(number + 1), Body=b"x")

def by_invoke(event, context):
    if event["n"] < 20:
        payload = json.dumps({"n": event["n"] + 1})
        client = boto3.client("lambda")
        try:
            answer = client.invoke(FunctionName="by-invoke", Payload=payload)
        except client.exceptions.RecursiveInvocationException as error:
            return {"stopped": event["n"], "error": error.response["Error"]}
        return json.load(answer["Payload"])
"""


class Project:
    def __init__(self, root: Path) -> None:
        (root / "template.yaml").write_text(TEMPLATE)
        (root / "app.py").write_text(APP)
        (root / "pyproject.toml").write_text('[tool.lampwork]\nport = 0\nservices = ["aws"]\n')
        self.project = SampleProject(root)
        self.process: LampworkProcess = self.project.up()
        self.origin = self.process.origin()
        self.session: Any = boto3.session.Session("test", "test", region_name="us-east-1")

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.origin)

    def url(self, queue: str) -> str:
        url: str = self.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
        return url

    def hops(self, source: str) -> list[int]:
        output = "".join(self.process.output)
        return sorted({int(each) for each in re.findall(rf"HOP {source} (\d+)", output)})

    def dead_letter(self, holds: str) -> Any:
        found: list[Any] = []

        def came() -> bool:
            messages = self.client("sqs").receive_message(
                QueueUrl=self.url("dead"), WaitTimeSeconds=1, MessageAttributeNames=["All"],
                VisibilityTimeout=0, MaxNumberOfMessages=10,
            ).get("Messages", [])  # fmt: skip
            found.extend(each for each in messages if holds in each["Body"])
            return bool(found)

        until(came)
        return found[0]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("recursion"))
    yield project
    project.project.close()


def test_a_loop_through_a_queue_ends_after_sixteen_invocations(project: Project) -> None:
    project.client("sqs").send_message(QueueUrl=project.url("loop"), MessageBody="1")

    assert project.dead_letter("17")["Body"] == "17"  # by the redrive policy of the queue
    assert project.hops("loop") == list(range(1, 17))


def test_a_loop_that_is_allowed_goes_on(project: Project) -> None:
    project.client("sqs").send_message(QueueUrl=project.url("wanted"), MessageBody="1")

    until(lambda: project.hops("wanted")[-1:] == [20])


def test_a_loop_through_a_topic_ends_in_the_dead_letters_of_the_function(
    project: Project,
) -> None:
    project.client("sns").publish(TopicArn="arn:aws:sns:us-east-1:000000000000:topic", Message="1")

    letter = project.dead_letter('"Message": "17"')

    assert project.hops("topic") == list(range(1, 17))
    error = letter["MessageAttributes"]["ErrorMessage"]["StringValue"]
    assert "RecursiveLoop: Allow" in error


def test_a_loop_through_a_bucket_ends_too(project: Project) -> None:
    project.client("s3").put_object(Bucket="bucket", Key="1", Body=b"x")

    project.dead_letter('"key": "17"')

    assert project.hops("bucket") == list(range(1, 17))


def test_a_function_that_calls_itself_is_told(project: Project) -> None:
    answer = project.client("lambda").invoke(FunctionName="by-invoke", Payload='{"n": 1}')

    told = json.load(answer["Payload"])
    assert told["stopped"] == 16
    assert told["error"]["Code"] == "RecursiveInvocationException"
    assert "16 times" in told["error"]["Message"]


def test_a_message_carries_the_trace_header_of_the_request_that_sent_it(
    project: Project,
) -> None:
    project.client("sqs").send_message(QueueUrl=project.url("wanted"), MessageBody="19")

    def headers() -> list[str]:
        return re.findall(r"HOP wanted 20 (Root=\S+)", "".join(project.process.output))

    until(lambda: bool(headers()))
    # https://docs.aws.amazon.com/xray/latest/devguide/xray-services-sqs.html
    assert re.fullmatch(
        r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;Lineage=[0-9a-f]{8}:\d+",
        headers()[-1],
    )


def test_the_sequence_numbers_of_a_fifo_queue_grow(project: Project) -> None:
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    sqs, url = project.client("sqs"), project.url("ordered.fifo")
    sent = [
        sqs.send_message(QueueUrl=url, MessageBody=str(n), MessageGroupId="g")["SequenceNumber"]
        for n in range(5)
    ]

    received = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageSystemAttributeNames=["SequenceNumber"]
    )["Messages"]

    assert [each["Attributes"]["SequenceNumber"] for each in received] == sent
    assert sent == sorted(set(sent), key=int)
    assert {len(each) for each in sent} == {20}


@pytest.mark.parametrize(("value", "problem"), [("Stop", "must be Allow or Terminate")])
def test_another_word_than_allow_or_terminate_is_refused(
    tmp_path: Path, value: str, problem: str
) -> None:
    text = TEMPLATE.replace("RecursiveLoop: Allow", f"RecursiveLoop: {value}")
    (tmp_path / "template.yaml").write_text(text)
    (tmp_path / "app.py").write_text(APP)

    ended = SampleProject(tmp_path).run("routes")

    assert ended.returncode == 1
    assert problem in ended.stderr


ARN = "arn:aws:lambda:us-east-1:000000000000:function:a"
OTHER = "arn:aws:lambda:us-east-1:000000000000:function:b"


def test_a_lineage_counts_each_function_by_itself() -> None:
    header = trace_of_invocation(None, ARN)
    for arn in (OTHER, ARN, OTHER, ARN):
        before = header
        header = trace_of_invocation(header, arn)

    assert earlier_invocations(header, ARN) == 3
    assert earlier_invocations(header, OTHER) == 2
    assert header.partition(";")[0] == before.partition(";")[0]  # the root


def test_the_trace_of_a_client_goes_on_with_its_decision_to_sample() -> None:
    header = trace_of_invocation("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1", ARN)

    assert header.startswith("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Parent=")
    assert ";Sampled=1;Lineage=" in header
    assert earlier_invocations("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700", ARN) == 0


def test_of_several_messages_the_one_that_came_the_longest_way_counts() -> None:
    short = trace_of_invocation(None, ARN)
    long = trace_of_invocation(short, ARN)

    assert longest_chain([short, long]) == long
    assert longest_chain([]) is None


def test_a_function_is_not_stopped_by_what_others_do(project: Project) -> None:
    header = ";".join(["Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700", "Lineage=00000001:400"])
    client = project.client("lambda")

    def add_trace(request: Any, **_: object) -> None:
        request.headers["X-Amzn-Trace-Id"] = header

    client.meta.events.register("before-send", add_trace)

    assert client.invoke(FunctionName="by-invoke", Payload='{"n": 20}')["StatusCode"] == 200


def test_what_the_embedded_aws_asks_of_functions_is_in_the_trace_but_counts_nothing() -> None:
    seen: list[str | bytes | None] = []

    def answer(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        seen.append(request.headers.get("X-Amzn-Trace-Id"))
        body = HTTPResponse(BytesIO(b"{}"), preload_content=False)
        return AWSResponse(request.url, 200, HTTPHeaders(), body)

    client = Clients(lambda *_: [], "us-east-1").at("lambda", "http://127.0.0.1:9")
    client.meta.events.register("before-send", answer)
    with with_trace("Root=1-a;Parent=b;Sampled=0;Lineage=0a1b2c3d:7"):
        client.invoke(FunctionName="f")
    client.invoke(FunctionName="f")

    assert seen == [b"Root=1-a;Parent=b;Sampled=0", None]
