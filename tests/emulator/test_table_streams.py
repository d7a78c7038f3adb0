"""Functions that a table's stream triggers, with the embedded DynamoDB, as boto3 sees them."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulator.lampwork_process import LampworkProcess, SampleProject
from tests.waiting import until

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: python3.11, CodeUri: ., Timeout: 10}}
Resources:
  Rows:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: rows
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      StreamSpecification: {StreamViewType: NEW_AND_OLD_IMAGES}
  Changes: {Type: AWS::Kinesis::Stream, Properties: {Name: changes, ShardCount: 1}}
  Copied:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: copied
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
      KinesisStreamSpecification: {StreamArn: !GetAtt Changes.Arn}
  Copy:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.copy
      Environment: {Variables: {QUEUE: !Ref Copies}}
      Events:
        Change: {Type: Kinesis, Properties: {Stream: !GetAtt Changes.Arn, StartingPosition: LATEST}}
  Copies: {Type: AWS::SQS::Queue, Properties: {QueueName: copies}}
  Told: {Type: AWS::SQS::Queue, Properties: {QueueName: told}}
  Failed: {Type: AWS::SQS::Queue, Properties: {QueueName: failed}}
  Tell:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.tell
      Environment: {Variables: {QUEUE: !Ref Told}}
      Events:
        Change:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Rows.StreamArn
            StartingPosition: LATEST
            FilterCriteria:
              Filters: [{Pattern: '{"dynamodb": {"Keys": {"id": {"S": [{"anything-but": "x"}]}}}}'}]
  Fail:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.fail
      Events:
        Change:
          Type: DynamoDB
          Properties:
            Stream: !GetAtt Rows.StreamArn
            StartingPosition: TRIM_HORIZON
            BatchSize: 10
            MaximumRetryAttempts: 1
            BisectBatchOnFunctionError: true
            FilterCriteria:
              Filters: [{Pattern: '{"dynamodb": {"NewImage": {"bad": {"BOOL": [true, false]}}}}'}]
            DestinationConfig: {OnFailure: {Type: SQS, Destination: !GetAtt Failed.Arn}}
"""
APP = """\
import base64, os, boto3, json, time

def copy(event, context):
    sqs = boto3.client("sqs")
    for record in event["Records"]:
        data = base64.b64decode(record["kinesis"]["data"]).decode()
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=data)

def tell(event, context):
    sqs = boto3.client("sqs")
    for record in event["Records"]:
        if record["dynamodb"]["Keys"] == {"id": {"S": "late"}} and begins():
            time.sleep(60)
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(record))

def begins():
    ssm = boto3.client("ssm")
    try:
        ssm.put_parameter(Name="began", Value="yes", Type="String")
    except ssm.exceptions.ParameterAlreadyExists:
        return False
    return True

def fail(event, context):
    for record in event["Records"]:
        if record["dynamodb"]["NewImage"]["bad"]["BOOL"]:
            raise ValueError("bad")
"""
CONFIG = '[tool.lampwork]\nport = 0\nservices = ["aws"]\n'


class Cloud:
    def __init__(self, project: SampleProject) -> None:
        session: Any = boto3.session.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        )
        self.process: LampworkProcess = project.up("--time-scale", "0.001")
        origin = self.process.origin()
        self.sqs = session.client("sqs", endpoint_url=origin)
        self.ssm = session.client("ssm", endpoint_url=origin)
        self.dynamodb = session.client("dynamodb", endpoint_url=origin)
        self.copied = session.resource("dynamodb", endpoint_url=origin).Table("copied")
        self.rows = session.resource("dynamodb", endpoint_url=origin).Table("rows")

    def has_begun(self) -> bool:
        return bool(self.ssm.describe_parameters()["Parameters"])

    def received(self, queue: str, number: int) -> list[Any]:
        """Receive and delete the next messages of a queue."""
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        found: list[Any] = []

        def all_came() -> bool:
            for message in self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1
            ).get("Messages", []):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(message["Body"]))
            return len(found) >= number

        until(all_came)
        return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleProject]:
    root: Path = tmp_path_factory.mktemp("streams")
    for name, text in (("template.yaml", TEMPLATE), ("app.py", APP), ("pyproject.toml", CONFIG)):
        (root / name).write_text(text)
    created = SampleProject(root)
    yield created
    created.close()


@pytest.fixture(scope="module")
def cloud(project: SampleProject) -> Cloud:
    return Cloud(project)


def test_changes_arrive_in_their_order_in_the_event_of_lambda(cloud: Cloud) -> None:
    cloud.rows.put_item(Item={"id": "a", "n": 1})
    cloud.rows.update_item(
        Key={"id": "a"}, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": 2}
    )
    cloud.rows.delete_item(Key={"id": "a"})

    records = cloud.received("told", 3)

    one, two = ({"id": {"S": "a"}, "n": {"N": number}} for number in "12")
    assert [each["eventName"] for each in records] == ["INSERT", "MODIFY", "REMOVE"]
    assert [each["dynamodb"].get("NewImage") for each in records] == [one, two, None]
    assert [each["dynamodb"].get("OldImage") for each in records] == [None, one, two]
    numbers = [int(each["dynamodb"]["SequenceNumber"]) for each in records]
    assert numbers == sorted(set(numbers))
    assert records[0].keys() == {
        *("eventID", "eventName", "eventVersion", "eventSource", "awsRegion"),
        *("dynamodb", "eventSourceARN"),
    }
    assert records[0]["dynamodb"].keys() == {
        *("ApproximateCreationDateTime", "Keys", "NewImage", "SequenceNumber", "SizeBytes"),
        "StreamViewType",
    }
    assert records[0]["dynamodb"]["Keys"] == {"id": {"S": "a"}}
    assert records[0]["eventSource"] == "aws:dynamodb"
    assert ":table/rows/stream/" in records[0]["eventSourceARN"]


def test_binary_values_at_any_depth_arrive_in_base64(cloud: Cloud) -> None:
    item: dict[str, Any] = {
        "id": {"S": "binary"},
        "one": {"B": b"foobar"},
        "set": {"BS": [b"\x01", b"\x02"]},
        "list": {"L": [{"B": b"\x05"}, {"M": {"deep": {"B": b"\x00\xff"}}}]},
    }
    cloud.dynamodb.put_item(TableName="rows", Item=item)

    (record,) = cloud.received("told", 1)

    # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_AttributeValue.html
    assert record["dynamodb"]["NewImage"] == {
        "id": {"S": "binary"},
        "one": {"B": "Zm9vYmFy"},
        "set": {"BS": ["AQ==", "Ag=="]},
        "list": {"L": [{"B": "BQ=="}, {"M": {"deep": {"B": "AP8="}}}]},
    }
    kept = cloud.dynamodb.get_item(TableName="rows", Key={"id": {"S": "binary"}})["Item"]
    assert {**kept, "set": {"BS": sorted(kept["set"]["BS"])}} == item


def test_a_table_sends_its_changes_to_the_stream_of_kinesis_that_it_names(cloud: Cloud) -> None:
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds.html
    cloud.copied.put_item(Item={"id": "a", "n": 1})
    cloud.copied.put_item(Item={"id": "a", "n": 2})
    inserted, modified = cloud.received("copies", 2)
    assert (inserted["eventName"], modified["eventName"]) == ("INSERT", "MODIFY")
    assert inserted["tableName"] == "copied"
    assert modified["dynamodb"]["Keys"] == {"id": {"S": "a"}}
    assert modified["dynamodb"]["OldImage"]["n"] == {"N": "1"}
    assert modified["dynamodb"]["NewImage"]["n"] == {"N": "2"}
    assert modified["dynamodb"]["ApproximateCreationDateTimePrecision"] == "MICROSECOND"
    assert "LatestStreamArn" not in cloud.dynamodb.describe_table(TableName="copied")["Table"]


def test_only_changes_are_delivered(cloud: Cloud) -> None:
    cloud.rows.put_item(Item={"id": "x"})  # which the filter does not let through
    cloud.rows.update_item(  # makes the item
        Key={"id": "b"}, UpdateExpression="SET n = :n", ExpressionAttributeValues={":n": 1}
    )
    cloud.rows.put_item(Item={"id": "b", "n": 1})
    item = {"id": {"S": "c"}}
    impossible = {
        "TableName": "rows",
        "Item": {"id": {"S": "b"}},
        "ConditionExpression": "attribute_not_exists(id)",
    }
    with pytest.raises(ClientError, match="TransactionCanceled"):
        cloud.dynamodb.transact_write_items(
            TransactItems=[{"Put": {"TableName": "rows", "Item": item}}, {"Put": impossible}]
        )
    cloud.rows.put_item(Item={"id": "d"})

    records = cloud.received("told", 2)

    assert [(each["eventName"], each["dynamodb"]["NewImage"]["id"]["S"]) for each in records] == [
        ("INSERT", "b"),
        ("INSERT", "d"),
    ]
    assert records[0]["dynamodb"]["NewImage"]["n"] == {"N": "1"}


def test_only_the_bad_record_of_a_failing_batch_is_given_up(cloud: Cloud) -> None:
    with cloud.rows.batch_writer() as batch:
        for number in range(8):
            batch.put_item(Item={"id": f"e{number}", "bad": number == 5})

    (failed,) = cloud.received("failed", 1)

    records = {each["dynamodb"]["Keys"]["id"]["S"]: each for each in cloud.received("told", 8)}
    about = failed["DDBStreamBatchInfo"]
    assert about["batchSize"] == 1
    assert about["startSequenceNumber"] == records["e5"]["dynamodb"]["SequenceNumber"]
    assert failed["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert failed["requestContext"]["approximateInvokeCount"] == 2
    assert failed["responseContext"]["functionError"] == "Unhandled"


def test_a_change_outlives_a_killed_emulator_and_its_queue_stays_hidden(
    cloud: Cloud, project: SampleProject
) -> None:
    cloud.rows.put_item(Item={"id": "late"})
    until(cloud.has_begun)
    cloud.process.stop(signal.SIGKILL)

    again = Cloud(project)

    (record,) = again.received("told", 1)
    assert record["dynamodb"]["Keys"] == {"id": {"S": "late"}}
    names = [url.rpartition("/")[2] for url in again.sqs.list_queues()["QueueUrls"]]
    assert sorted(names) == ["copies", "failed", "told"]
    again.process.stop()


def test_a_table_knows_its_stream_of_kinesis_after_a_new_start(project: SampleProject) -> None:
    for number in (1, 2):
        cloud = Cloud(project)
        cloud.copied.put_item(Item={"id": "b", "n": number})
        (record,) = cloud.received("copies", 1)
        assert record["dynamodb"]["NewImage"]["n"] == {"N": str(number)}
        cloud.process.stop()
