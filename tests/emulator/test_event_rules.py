"""EventBridge's rules and the filters of mappings, as boto3 sees them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.emulator.lampwork_process import SampleProject
from tests.waiting import until

TEMPLATE = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Got: {Type: AWS::SQS::Queue, Properties: {QueueName: got}}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern:
        detail: {people: {first: [Ann], last: [{suffix: {equals-ignore-case: EE}}]}}
        time: [{prefix: "20"}]
      Targets: [{Id: got, Arn: !GetAtt Got.Arn, InputPath: $.detail.people}]
"""
EVENT = {
    "id": "1",
    "source": "shop",
    "detail-type": "order",
    "account": "000000000000",
    "region": "us-east-1",
    "time": "2022-07-13T13:48:01Z",
    "detail": {"total": 300.0},
}


def up(root: Path, template: str) -> SampleProject:
    (root / "template.yaml").write_text(template)
    (root / "pyproject.toml").write_text('[tool.lampwork]\nport = 0\nservices = ["aws"]\n')
    return SampleProject(root)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    project = up(tmp_path_factory.mktemp("rules"), TEMPLATE)
    origin = project.up().origin()
    session: Any = boto3.session.Session("test", "test", region_name="us-east-1")
    yield lambda service: session.client(service, endpoint_url=origin)
    project.close()


def received(sqs: Any, queue: str) -> list[Any]:
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    found: list[Any] = []

    def came() -> bool:
        found.extend(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []))
        return bool(found)

    until(came)
    return [json.loads(message["Body"]) for message in found]


def test_a_rule_gets_the_events_that_match_as_on_aws(client: Any) -> None:
    people = [
        [{"first": "Ann", "last": "Ray"}, {"first": "Bob", "last": "Lee"}],  # of two elements
        [{"first": "Ann", "last": "Lee"}],
    ]
    entries = [
        {"Source": "shop", "DetailType": "t", "Detail": json.dumps({"people": each})}
        for each in people
    ]
    client("events").put_events(Entries=entries)

    assert received(client("sqs"), "got") == [[{"first": "Ann", "last": "Lee"}]]


def test_an_event_can_be_tried_against_a_pattern(client: Any) -> None:
    def result(pattern: Any) -> bool:
        answer = client("events").test_event_pattern(
            EventPattern=json.dumps(pattern), Event=json.dumps(EVENT)
        )
        return bool(answer["Result"])

    assert result({"detail": {"total": [300]}})
    assert not result({"detail": {"total": [{"numeric": [">", 300]}]}})


@pytest.mark.parametrize("event", ["text", "[]", '{"source": "shop"}'])
def test_what_is_no_event_cannot_be_tried(client: Any, event: str) -> None:
    # https://github.com/localstack/localstack/blob/main/tests/aws/services/events/test_events_patterns.snapshot.json
    with pytest.raises(ClientError) as refusal:
        client("events").test_event_pattern(EventPattern='{"a": ["b"]}', Event=event)

    assert refusal.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "Parameter Event is not valid.",
    }


@pytest.mark.parametrize("operation", ["put_rule", "test_event_pattern"])
def test_a_pattern_that_aws_refuses_is_refused(client: Any, operation: str) -> None:
    more = {"Name": "bad"} if operation == "put_rule" else {"Event": json.dumps(EVENT)}

    with pytest.raises(ClientError) as refusal:
        getattr(client("events"), operation)(EventPattern='{"a": [{"prefix": 5}]}', **more)

    assert refusal.value.response["Error"] == {
        "Code": "InvalidEventPatternException",
        "Message": "Event pattern is not valid. Reason: prefix match pattern must be a string",
    }


def test_a_target_whose_template_has_an_unknown_placeholder_is_refused(client: Any) -> None:
    """localstack/localstack, tests/aws/services/events/test_events_inputs.snapshot.json,
    test_put_events_with_input_transformer_missing_keys"""
    events = client("events")
    events.put_rule(Name="filled", EventPattern='{"source": ["nobody"]}')
    transformer = {
        "InputPathsMap": {"known": "$.detail.known"},
        "InputTemplate": '"<known> <notdefinedkey>"',
    }
    target = {"Id": "t1", "Arn": "arn:aws:sqs:us-east-1:123456789012:got"}

    with pytest.raises(ClientError) as refusal:
        events.put_targets(Rule="filled", Targets=[{**target, "InputTransformer": transformer}])

    assert refusal.value.response["Error"] == {
        "Code": "ValidationException",
        "Message": "InputTemplate for target t1 contains invalid placeholder notdefinedkey.",
    }


FILTER = """\
Transform: AWS::Serverless-2016-10-31
Resources:
  Q: {Type: AWS::SQS::Queue}
  F:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.11
      Handler: index.handler
      InlineCode: "def handler(event, context): pass"
      Events:
        Message:
          Type: SQS
          Properties:
            Queue: !GetAtt Q.Arn
            FilterCriteria: {Filters: [{Pattern: '{"body": {"n": [{"prefix": 5}]}}'}]}
"""
RULE = """\
Resources:
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {detail: {n: [{prefix: 5}]}}
"""


@pytest.mark.parametrize(
    ("template", "place"),
    [(FILTER, "FilterCriteria.Filters.Pattern"), (RULE, "Rule.EventPattern")],
)
def test_a_template_with_such_a_pattern_does_not_start(
    tmp_path: Path, template: str, place: str
) -> None:
    ended = up(tmp_path, template).run("up")

    assert ended.returncode == 1
    assert "template.yaml:" in ended.stdout + ended.stderr
    assert f"{place}: AWS refuses the pattern" in ended.stdout + ended.stderr
    assert "prefix match pattern must be a string" in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stdout + ended.stderr


def test_a_filter_policy_that_aws_refuses_is_refused_and_a_good_one_filters(client: Any) -> None:
    # https://github.com/localstack/localstack/blob/main/tests/aws/services/sns/test_sns_filter_policy.snapshot.json
    sns, sqs = client("sns"), client("sqs")
    topic = sns.create_topic(Name="filtered")["TopicArn"]
    url = sqs.create_queue(QueueName="filtered")["QueueUrl"]
    arn = sns.subscribe(
        TopicArn=topic,
        Protocol="sqs",
        Endpoint="arn:aws:sqs:us-east-1:000000000000:filtered",
        Attributes={
            "RawMessageDelivery": "true",
            "FilterPolicyScope": "MessageBody",
            "FilterPolicy": json.dumps({"name": [{"wildcard": "a*c"}]}),
        },
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    for name in ("ab", "abc"):
        sns.publish(TopicArn=topic, Message=json.dumps({"name": name}))

    assert received(sqs, "filtered") == [{"name": "abc"}]
    assert url.endswith("filtered")
    with pytest.raises(ClientError) as refusal:
        sns.set_subscription_attributes(
            SubscriptionArn=arn,
            AttributeName="FilterPolicy",
            AttributeValue='{"key": [{"suffix": 100}]}',
        )
    assert refusal.value.response["Error"]["Message"] == (
        "Invalid parameter: Attributes Reason: FilterPolicy: suffix match pattern must be a string"
    )
