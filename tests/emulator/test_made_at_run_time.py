"""What a program makes by boto3 at run time fires as on AWS; and targets that are no function."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulator.lampwork_process import LampworkProcess, SampleProject
from tests.waiting import until

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  F:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: f
      Runtime: python3.11
      Handler: index.handler
      InlineCode: |
        import json
        def handler(event, context):
            print("GOT", json.dumps(event))
      Events:
        Work: {Type: SQS, Properties: {Queue: !GetAtt Work.Arn, BatchSize: 3}}
  Work: {Type: AWS::SQS::Queue, Properties: {QueueName: work}}
  Got: {Type: AWS::SQS::Queue, Properties: {QueueName: got}}
  Dead: {Type: AWS::SQS::Queue, Properties: {QueueName: dead}}
  OnTheHour:
    Type: AWS::Events::Rule
    Properties:
      ScheduleExpression: rate(1 hour)
      Targets: [{Id: got, Arn: !GetAtt Got.Arn, Input: '{"by": "template rule"}'}]
  Scheduled:
    Type: AWS::Scheduler::Schedule
    Properties:
      ScheduleExpression: rate(1 hour)
      FlexibleTimeWindow: {Mode: "OFF"}
      Target:
        Arn: arn:aws:scheduler:::aws-sdk:sqs:sendMessage
        RoleArn: arn:aws:iam::000000000000:role/any
        Input: !Sub '{"QueueUrl": "${Got}", "MessageBody": "{\\"by\\": \\"any call\\"}"}'
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [shop]}
      Targets:
        - Id: logs
          Arn: !Sub arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/events/shop
        - {Id: queue, Arn: !GetAtt Got.Arn, InputPath: $.detail}
        - Id: nowhere
          Arn: !Sub arn:aws:sqs:${AWS::Region}:${AWS::AccountId}:gone
          DeadLetterConfig: {Arn: !GetAtt Dead.Arn}
        - {Id: batch, Arn: !Sub "arn:aws:batch:${AWS::Region}:${AWS::AccountId}:job-queue/work"}
"""
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
ROLE = "arn:aws:iam::000000000000:role/any"


class Cloud:
    def __init__(self, root: Path) -> None:
        (root / "template.yaml").write_text(TEMPLATE)
        (root / "pyproject.toml").write_text('[tool.lampwork]\nport = 0\nservices = ["aws"]\n')
        self.project = SampleProject(root)
        self.process: LampworkProcess = self.project.up()
        self.origin = self.process.origin()
        self.session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
        self._received: dict[str, list[Any]] = {}

    def client(self, service: str) -> Any:
        return self.session.client(service, endpoint_url=self.origin)

    def got(self, text: str) -> None:
        """Wait until the function has got an event that holds this text."""
        until(lambda: any("GOT" in line and text in line for line in self.process.output))

    def queue(self, name: str) -> tuple[str, str]:
        """A new queue: its URL and its ARN."""
        url: str = self.client("sqs").create_queue(QueueName=name)["QueueUrl"]
        return url, f"arn:aws:sqs:us-east-1:000000000000:{name}"

    def message(self, queue: str, holds: str) -> Any:
        sqs = self.client("sqs")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        received = self._received.setdefault(queue, [])

        def found() -> list[Any]:
            return [each for each in received if holds in each["Body"]]

        def came() -> bool:
            received.extend(
                sqs.receive_message(
                    QueueUrl=url, WaitTimeSeconds=1, MessageAttributeNames=["All"]
                ).get("Messages", [])
            )
            return bool(found())

        if not found():
            until(came)
        return found()[0]


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    cloud = Cloud(tmp_path_factory.mktemp("made"))
    yield cloud
    cloud.project.close()


def test_a_subscription(cloud: Cloud) -> None:
    sns = cloud.client("sns")
    topic = sns.create_topic(Name="t")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION)

    sns.publish(TopicArn=topic, Message="by topic")

    cloud.got('"Message": "by topic"')


def test_a_rule(cloud: Cloud) -> None:
    events = cloud.client("events")
    events.put_rule(Name="r", EventPattern=json.dumps({"source": ["made"]}))
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": FUNCTION}])

    events.put_events(Entries=[{"Source": "made", "DetailType": "by rule", "Detail": "{}"}])

    cloud.got('"detail-type": "by rule"')


def test_a_notification_of_a_bucket(cloud: Cloud) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="made")
    configuration = {"LambdaFunctionArn": FUNCTION, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket="made",
        NotificationConfiguration={"LambdaFunctionConfigurations": [configuration]},
    )

    s3.put_object(Bucket="made", Key="by-bucket", Body=b"x")

    cloud.got('"key": "by-bucket"')


def test_a_rule_with_a_schedule(cloud: Cloud) -> None:
    events = cloud.client("events")
    events.put_rule(Name="hourly", ScheduleExpression="rate(1 hour)")
    events.put_targets(
        Rule="hourly", Targets=[{"Id": "1", "Arn": FUNCTION, "Input": '{"by": "made rule"}'}]
    )

    cloud.got('"by": "made rule"')


def test_a_schedule_that_is_deleted_once_it_has_fired(cloud: Cloud) -> None:
    # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-delete.html
    scheduler = cloud.client("scheduler")
    soon = (datetime.now(UTC) + timedelta(seconds=1)).strftime("at(%Y-%m-%dT%H:%M:%S)")
    given = '{"at": "<aws.scheduler.scheduled-time>"}'
    scheduler.create_schedule(
        Name="once",
        ScheduleExpression=soon,
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target={"Arn": FUNCTION, "RoleArn": ROLE, "Input": given},
    )

    cloud.got(f'"at": "{soon[3:-1]}Z"')
    until(lambda: not scheduler.list_schedules(NamePrefix="once")["Schedules"])


@pytest.mark.parametrize("by", ["template rule", "any call"])
def test_a_schedule_of_the_template_that_leads_to_no_function(cloud: Cloud, by: str) -> None:
    assert json.loads(cloud.message("got", by)["Body"]) == {"by": by}


def test_a_rule_leads_to_what_is_no_function(cloud: Cloud) -> None:
    entry = {"Source": "shop", "DetailType": "sale", "Detail": '{"by": "rule"}'}
    assert cloud.client("events").put_events(Entries=[entry])["FailedEntryCount"] == 0

    assert json.loads(cloud.message("got", '"rule"')["Body"]) == {"by": "rule"}
    logs = cloud.client("logs")
    (event,) = logs.filter_log_events(logGroupName="/aws/events/shop")["events"]
    assert json.loads(event["message"])["detail-type"] == "sale"
    dead = cloud.message("dead", "sale")["MessageAttributes"]
    assert dead["ERROR_CODE"]["StringValue"] == "NO_RESOURCE"
    assert dead["TARGET_ARN"]["StringValue"].endswith(":gone")


def test_a_target_that_nothing_here_serves_is_named(cloud: Cloud) -> None:
    told = "".join(cloud.process.output)

    assert "nothing here takes its events for arn:aws:batch:" in told
    assert "log-group" not in told


def test_a_mapping_of_a_queue(cloud: Cloud) -> None:
    client, sqs = cloud.client("lambda"), cloud.client("sqs")
    url, arn = cloud.queue("mapped")

    made = client.create_event_source_mapping(
        EventSourceArn=arn,
        FunctionName="f",
        FilterCriteria={"Filters": [{"Pattern": '{"body": {"n": [{"numeric": [">", 1]}]}}'}]},
    )
    for number in (1, 2):
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"n": number, "by": "mapping"}))

    cloud.got('{\\"n\\": 2, \\"by\\": \\"mapping\\"}')
    assert not any('{\\"n\\": 1, \\"by\\"' in line for line in cloud.process.output)
    # As recorded on AWS: localstack/localstack, test_lambda_integration_sqs.snapshot.json
    assert (made["State"], made["StateTransitionReason"]) == ("Creating", "USER_INITIATED")
    assert (made["BatchSize"], made["MaximumBatchingWindowInSeconds"]) == (10, 0)
    assert made["FunctionArn"] == FUNCTION
    assert made["EventSourceMappingArn"].endswith(f":event-source-mapping:{made['UUID']}")
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 202


def test_a_mapping_can_be_switched_off_and_deleted(cloud: Cloud) -> None:
    client, sqs = cloud.client("lambda"), cloud.client("sqs")
    url, arn = cloud.queue("switched")
    number = client.create_event_source_mapping(EventSourceArn=arn, FunctionName="f")["UUID"]

    client.update_event_source_mapping(UUID=number, Enabled=False)
    assert client.get_event_source_mapping(UUID=number)["State"] == "Disabled"
    sqs.send_message(QueueUrl=url, MessageBody="off")
    count = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert count["ApproximateNumberOfMessages"] == "1"
    client.update_event_source_mapping(UUID=number, Enabled=True, BatchSize=1)
    cloud.got('"body": "off"')

    assert client.delete_event_source_mapping(UUID=number)["State"] == "Deleting"
    assert client.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"] == []
    with pytest.raises(ClientError) as refusal:
        client.get_event_source_mapping(UUID=number)
    assert refusal.value.response["Error"] == {
        "Code": "ResourceNotFoundException",
        "Message": "The resource you requested does not exist.",
    }


def test_a_mapping_of_the_template_is_listed_and_can_be_switched_off(cloud: Cloud) -> None:
    client, sqs = cloud.client("lambda"), cloud.client("sqs")
    arn = "arn:aws:sqs:us-east-1:000000000000:work"
    (mapping,) = client.list_event_source_mappings(EventSourceArn=arn)["EventSourceMappings"]
    assert (mapping["BatchSize"], mapping["State"]) == (3, "Enabled")

    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
    url = sqs.get_queue_url(QueueName="work")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="later")
    assert client.get_event_source_mapping(UUID=mapping["UUID"])["State"] == "Disabled"
    client.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)

    cloud.got('"body": "later"')


def test_a_mapping_of_a_stream_begins_with_its_oldest_record(cloud: Cloud) -> None:
    client, kinesis = cloud.client("lambda"), cloud.client("kinesis")
    kinesis.create_stream(StreamName="made", ShardCount=1)
    kinesis.put_record(StreamName="made", Data=b"before", PartitionKey="early")

    made = client.create_event_source_mapping(
        EventSourceArn="arn:aws:kinesis:us-east-1:000000000000:stream/made",
        FunctionName=FUNCTION,
        StartingPosition="TRIM_HORIZON",
    )
    kinesis.put_record(StreamName="made", Data=b"after", PartitionKey="late")

    cloud.got('"partitionKey": "early"')
    cloud.got('"partitionKey": "late"')
    # As recorded on AWS: localstack/localstack, test_lambda_integration_kinesis.snapshot.json
    assert made["LastProcessingResult"] == "No records processed"
    assert (made["BatchSize"], made["MaximumRetryAttempts"]) == (100, -1)


QUEUE = "arn:aws:sqs:us-east-1:000000000000:work"
STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/none"


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        # As recorded on AWS: localstack/localstack,
        # tests/aws/services/lambda_/test_lambda_api.snapshot.json
        ({"FunctionName": "f"}, "InvalidParameterValueException", "Unrecognized event source."),
        ({"FunctionName": "gone"}, "InvalidParameterValueException", "Function does not exist"),
        ({"EventSourceArn": STREAM}, "InvalidParameterValueException",
         "Value null at 'startingPosition' failed to satisfy constraint"),
        ({"EventSourceArn": STREAM, "StartingPosition": "first"}, "ValidationException",
         "Member must satisfy enum value set: [LATEST, AT_TIMESTAMP, TRIM_HORIZON]"),
        # test_lambda_integration_sqs.snapshot.json
        ({"FilterCriteria": {"Filters": [{"Pattern": '{"eventSource": "aws:sqs"}'}]}},
         "InvalidParameterValueException", "Invalid filter pattern definition."),
        ({"BatchSize": 11}, "InvalidParameterValueException",
         "Maximum batch window in seconds must be greater than 0"),
        ({}, "ResourceConflictException", f'An event source mapping with SQS arn (" {QUEUE} ")'),
    ],
)  # fmt: skip
def test_a_mapping_that_aws_refuses_is_refused(
    cloud: Cloud, given: dict[str, Any], code: str, message: str
) -> None:
    source = {} if given == {"FunctionName": "f"} else {"EventSourceArn": QUEUE}
    with pytest.raises(ClientError) as refusal:
        cloud.client("lambda").create_event_source_mapping(
            **{"FunctionName": "f", **source, **given}
        )

    assert refusal.value.response["Error"]["Code"] == code
    assert message in refusal.value.response["Error"]["Message"]


def test_the_functions_of_the_template_are_listed(cloud: Cloud) -> None:
    client = cloud.client("lambda")
    (listed,) = client.list_functions()["Functions"]
    assert (listed["FunctionName"], listed["FunctionArn"]) == ("f", FUNCTION)
    assert client.get_function(FunctionName="f")["Configuration"]["Runtime"] == "python3.11"
    with pytest.raises(ClientError, match="Function not found: arn:aws:lambda:"):
        client.get_function_configuration(FunctionName="gone")
