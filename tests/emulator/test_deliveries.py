"""What invokes a function without a request, and what becomes of its events: with the embedded SQS,
SNS and EventBridge, as boto3 sees them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.emulator.lampwork_process import SampleProject
from tests.waiting import until

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Globals:
  Function:
    Runtime: python3.11
    CodeUri: .
    Handler: app.work
    EventInvokeConfig: {MaximumRetryAttempts: 1}
Resources:
  Told: {Type: AWS::SQS::Queue, Properties: {QueueName: told}}
  DeadEvents: {Type: AWS::SQS::Queue, Properties: {QueueName: dead-events}}
  DeadRules: {Type: AWS::SQS::Queue, Properties: {QueueName: dead-rules}}
  Untouched: {Type: AWS::SQS::Queue, Properties: {QueueName: untouched}}
  Topic:
    Type: AWS::SNS::Topic
    Properties: {Subscription: [{Protocol: sqs, Endpoint: !GetAtt Told.Arn}]}
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: bus}}
  OfTheBus:
    Type: AWS::Events::Rule
    Properties:
      EventBusName: !Ref Bus
      EventPattern: {source: [lambda]}
      Targets: [{Id: told, Arn: !GetAtt Told.Arn}]
  Tell:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.tell
      Environment: {Variables: {QUEUE: !Ref Told}}
      Events:
        Sold:
          Type: EventBridgeRule
          Properties: {EventBusName: !Ref Bus, Pattern: {source: [shop]}}
  ForSqs:
    Type: AWS::Serverless::Function
    Properties:
      EventInvokeConfig:
        DestinationConfig:
          OnSuccess: {Type: SQS, Destination: !GetAtt Told.Arn}
          OnFailure: {Type: SQS, Destination: !GetAtt Told.Arn}
  ForSns:
    Type: AWS::Serverless::Function
    Properties:
      EventInvokeConfig:
        DestinationConfig:
          OnSuccess: {Type: SNS, Destination: !Ref Topic}
          OnFailure: {Type: SNS, Destination: !Ref Topic}
  ForEvents:
    Type: AWS::Serverless::Function
    Properties:
      EventInvokeConfig:
        DestinationConfig:
          OnSuccess: {Type: EventBridge, Destination: !GetAtt Bus.Arn}
          OnFailure: {Type: EventBridge, Destination: !GetAtt Bus.Arn}
  ForLambda:
    Type: AWS::Serverless::Function
    Properties:
      EventInvokeConfig:
        DestinationConfig:
          OnSuccess: {Type: Lambda, Destination: !GetAtt Tell.Arn}
          OnFailure: {Type: Lambda, Destination: !GetAtt Tell.Arn}
  WithDeadLetters:
    Type: AWS::Serverless::Function
    Properties:
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt DeadEvents.Arn}
      Events:
        Failing:
          Type: ScheduleV2
          Properties:
            ScheduleExpression: rate(1 hour)
            Input: '{"fail": "<aws.scheduler.scheduled-time>"}'
            DeadLetterConfig: {Arn: !GetAtt DeadRules.Arn}
  Sleeping:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.tell
      Environment: {Variables: {QUEUE: !Ref Told}}
      Events:
        Queue: {Type: SQS, Properties: {Queue: !GetAtt Untouched.Arn, Enabled: false}}
        Rate: {Type: Schedule, Properties: {Schedule: rate(1 minute), Enabled: false}}
        Rule: {Type: Schedule, Properties: {Schedule: rate(1 minute), State: DISABLED}}
        Rate2:
          Type: ScheduleV2
          Properties: {ScheduleExpression: rate(1 minute), State: DISABLED}
        Pattern:
          Type: EventBridgeRule
          Properties: {EventBusName: !Ref Bus, Pattern: {source: [shop]}, State: DISABLED}
  RuleToNobody:
    Type: AWS::Events::Rule
    Properties:
      Name: to-nobody
      ScheduleExpression: rate(1 hour)
      Targets:
        - Id: gone
          Arn: !Sub arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:gone
          Input: '{"by": "rule"}'
          DeadLetterConfig: {Arn: !GetAtt DeadRules.Arn}
  PatternToNobody:
    Type: AWS::Events::Rule
    Properties:
      Name: pattern-to-nobody
      EventPattern: {source: [lost]}
      Targets:
        - Id: gone
          Arn: !Sub arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:gone
          Input: '{"by": "pattern"}'
          DeadLetterConfig: {Arn: !GetAtt DeadRules.Arn}
  ScheduleToNobody:
    Type: AWS::Scheduler::Schedule
    Properties:
      Name: to-nobody
      ScheduleExpression: rate(1 hour)
      FlexibleTimeWindow: {Mode: "OFF"}
      Target:
        Arn: !Sub arn:aws:lambda:${AWS::Region}:${AWS::AccountId}:function:gone
        RoleArn: arn:aws:iam::000000000000:role/any
        Input: '{"by": "scheduler"}'
        DeadLetterConfig: {Arn: !GetAtt DeadRules.Arn}
"""
APP = """\
import os, boto3, json

def work(event, context):
    if "fail" in event:
        raise ValueError(event["fail"])
    return event

def tell(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""
CONFIG = '[tool.lampwork]\nport = 0\nservices = ["aws"]\n'


class Cloud:
    """The services of a running emulator."""

    def __init__(self, origin: str) -> None:
        session: Any = boto3.session.Session(
            aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1"
        )
        self.sqs = session.client("sqs", endpoint_url=origin)
        self.functions = session.client("lambda", endpoint_url=origin)
        self.events = session.client("events", endpoint_url=origin)

    def submit(self, function: str, event: object) -> str:
        """Invoke without waiting; its request id."""
        answer = self.functions.invoke(
            FunctionName=function, InvocationType="Event", Payload=json.dumps(event)
        )
        return str(answer["ResponseMetadata"]["RequestId"])

    def messages(self, queue: str, number: int) -> list[Any]:
        """Receive and delete this number of messages from a queue; fails if they do not arrive."""
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        found: list[Any] = []

        def all_came() -> bool:
            answer = self.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                MessageAttributeNames=["All"],
                WaitTimeSeconds=1,
            )
            for message in answer.get("Messages", []):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(message)
            return len(found) >= number

        until(all_came)
        return found

    def count(self, queue: str) -> int:
        """The number of messages in a queue, including those in flight."""
        url = self.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
        return sum(map(int, answer["Attributes"].values()))


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    root: Path = tmp_path_factory.mktemp("deliveries")
    for name, text in (("template.yaml", TEMPLATE), ("app.py", APP), ("pyproject.toml", CONFIG)):
        (root / name).write_text(text)
    project = SampleProject(root)
    yield Cloud(project.up("--time-scale", "0.001").origin())
    project.close()


def attributes(message: Any) -> dict[str, str]:
    return {name: each["StringValue"] for name, each in message["MessageAttributes"].items()}


def record_in(body: Any, kind: str) -> Any:
    """The record of an invocation within the message of a service."""
    match kind:
        case "Sns":
            return json.loads(body["Message"])
        case "Events":
            return body["detail"]
        case _:
            return body


@pytest.mark.parametrize("kind", ["Sqs", "Sns", "Events", "Lambda"])
def test_a_destination_gets_successes_and_failures(cloud: Cloud, kind: str) -> None:
    cloud.submit(f"For{kind}", {"n": 1})
    (fine,) = (json.loads(each["Body"]) for each in cloud.messages("told", 1))
    cloud.submit(f"For{kind}", {"fail": "no"})
    (failed,) = (json.loads(each["Body"]) for each in cloud.messages("told", 1))

    success, failure = (record_in(body, kind) for body in (fine, failed))
    assert success["requestContext"]["condition"] == "Success"
    assert success["requestContext"]["approximateInvokeCount"] == 1
    assert success["requestContext"]["functionArn"].endswith(f"For{kind}:$LATEST")
    assert success["requestPayload"] == success["responsePayload"] == {"n": 1}
    assert failure["requestContext"]["condition"] == "RetriesExhausted"
    assert failure["requestContext"]["approximateInvokeCount"] == 2
    assert failure["responsePayload"]["errorMessage"] == "no"
    if kind == "Events":
        assert (fine["source"], failed["source"]) == ("lambda", "lambda")
        assert fine["detail-type"] == "Lambda Function Invocation Result - Success"
        assert failed["detail-type"] == "Lambda Function Invocation Result - Failure"


def test_a_functions_dead_letter_queue_has_the_events_it_failed(cloud: Cloud) -> None:
    id = cloud.submit("WithDeadLetters", {"fail": "by hand"})

    dead = {attributes(each)["ErrorMessage"]: each for each in cloud.messages("dead-events", 2)}

    # Without the type, as LocalStack recorded it on AWS: test_lambda_destinations.snapshot.json
    by_hand = dead["by hand"]
    assert json.loads(by_hand["Body"]) == {"fail": "by hand"}
    assert attributes(by_hand)["ErrorCode"] == "200"
    assert attributes(by_hand)["RequestID"] == id
    # A scheduled event is the function's to fail: the schedule has delivered it.
    (moment,) = (json.loads(each["Body"])["fail"] for each in dead.values() if each != by_hand)
    assert moment.startswith("20")
    assert moment.endswith("Z")


def test_the_dead_letter_queue_of_a_rule_has_the_events_for_a_function_that_is_gone(
    cloud: Cloud,
) -> None:
    cloud.events.put_events(Entries=[{"Source": "lost", "DetailType": "Any", "Detail": "{}"}])

    dead = {json.loads(each["Body"])["by"]: each for each in cloud.messages("dead-rules", 3)}

    pattern = attributes(dead["pattern"])
    assert pattern["RULE_ARN"].endswith(":rule/pattern-to-nobody")
    assert pattern["ERROR_CODE"] == "NO_RESOURCE"
    rule, scheduler = attributes(dead["rule"]), attributes(dead["scheduler"])
    gone = "arn:aws:lambda:us-east-1:000000000000:function:gone"
    assert rule == {
        "RULE_ARN": "arn:aws:events:us-east-1:000000000000:rule/to-nobody",
        "TARGET_ARN": gone,
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": f"Function not found: {gone}",
        "RETRY_ATTEMPTS": "0",
    }
    assert scheduler["SCHEDULE_ARN"].endswith(":schedule/default/to-nobody")
    assert scheduler["TARGET_ARN"] == gone
    assert scheduler["SCHEDULED_TIME"].endswith("Z")
    assert cloud.count("dead-rules") == 0  # the failing function's is not here


def test_disabled_event_sources_deliver_nothing(cloud: Cloud) -> None:
    url = cloud.sqs.get_queue_url(QueueName="untouched")["QueueUrl"]
    cloud.sqs.send_message(QueueUrl=url, MessageBody="{}")
    sale = {"Source": "shop", "DetailType": "Sold", "Detail": "{}", "EventBusName": "bus"}
    records = []
    for _ in range(2):  # once the second has arrived, all deliveries of the first have too
        cloud.events.put_events(Entries=[sale])
        records += cloud.messages("told", 1)

    assert [json.loads(each["Body"])["source"] for each in records] == ["shop", "shop"]
    received = cloud.sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
    assert received[0]["Attributes"]["ApproximateReceiveCount"] == "1"
    assert cloud.count("told") == 0
