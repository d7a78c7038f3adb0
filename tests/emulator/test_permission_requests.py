"""Which permissions requests need, from those that AWS's own client makes."""

from collections.abc import Callable
from typing import Any

import boto3
import pytest

from lampwork.permissions.callers import caller, token_of
from lampwork.permissions.requests.asked import Call, needs
from lampwork.permissions.requests.need import Need
from lampwork.stack.policies import DENY, Statement, allows, statements_in

ACCOUNT = "us-east-1:000000000000"
KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b", "region_name": "us-east-1"}
TABLE = f"arn:aws:dynamodb:{ACCOUNT}:table/Orders"
QUEUE = f"arn:aws:sqs:{ACCOUNT}:jobs"
QUEUE_URL = "http://localhost:8000/000000000000/jobs"
TOPIC = f"arn:aws:sns:{ACCOUNT}:news"
ITEM = {"id": {"S": "1"}}


class Sent(Exception):
    pass


def asked(service: str, ask: Callable[[Any], object]) -> list[Need]:
    """What is needed for what a client of boto3 would send; nothing is sent."""
    keys: Any = {**KEYS, "aws_session_token": token_of("Work")}
    make: Any = boto3.client  # for any service
    client = make(service, endpoint_url="http://localhost:8000", **keys)
    calls: list[Call] = []

    def keep(request: Any, **_: object) -> None:
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        path, _mark, query = request.url.removeprefix("http://localhost:8000").partition("?")
        body = request.body or b""
        if hasattr(body, "read"):
            body = body.read()
        if isinstance(body, str):
            body = body.encode()
        calls.append(Call(request.method, path, query, headers, body, "abc123"))
        raise Sent

    client.meta.events.register("before-send", keep)
    with pytest.raises(Sent):
        ask(client)
    assert caller(calls[0].headers, calls[0].query) == "Work"
    return needs(calls[0])


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


CASES: list[tuple[str, Callable[[Any], object], list[Need]]] = [
    (
        "dynamodb",
        lambda c: c.put_item(TableName="Orders", Item=ITEM),
        [Need("dynamodb:PutItem", TABLE)],
    ),
    (
        "dynamodb",
        lambda c: c.query(TableName=TABLE, IndexName="by_day"),
        [Need("dynamodb:Query", f"{TABLE}/index/by_day")],
    ),
    (
        "dynamodb",
        lambda c: c.batch_get_item(RequestItems={"Orders": {"Keys": [ITEM]}}),
        [Need("dynamodb:BatchGetItem", TABLE)],
    ),
    (
        "dynamodb",
        lambda c: c.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": "Orders", "Item": ITEM}},
                {
                    "ConditionCheck": {
                        "TableName": "Orders",
                        "Key": ITEM,
                        "ConditionExpression": "x",
                    }
                },
            ]
        ),
        [Need("dynamodb:PutItem", TABLE), Need("dynamodb:ConditionCheckItem", TABLE)],
    ),
    (
        "sqs",
        lambda c: c.send_message_batch(
            QueueUrl=QUEUE_URL, Entries=[{"Id": "1", "MessageBody": "x"}]
        ),
        [Need("sqs:SendMessage", QUEUE)],
    ),
    ("sns", lambda c: c.publish(TopicArn=TOPIC, Message="x"), [Need("sns:Publish", TOPIC)]),
    (
        "events",
        lambda c: c.put_events(Entries=[{"Source": "a", "DetailType": "b", "Detail": "{}"}]),
        [Need("events:PutEvents", f"arn:aws:events:{ACCOUNT}:event-bus/default")],
    ),
    (
        "ssm",
        lambda c: c.get_parameter(Name="/app/key"),
        [Need("ssm:GetParameter", f"arn:aws:ssm:{ACCOUNT}:parameter/app/key")],
    ),
    (
        "secretsmanager",
        lambda c: c.get_secret_value(SecretId="database"),
        [
            Need(
                "secretsmanager:GetSecretValue",
                f"arn:aws:secretsmanager:{ACCOUNT}:secret:database",
            )
        ],
    ),
    (
        "lambda",
        lambda c: c.invoke(FunctionName="local-Hello", Payload=b'{"FunctionName": "Other"}'),
        [Need("lambda:InvokeFunction", f"arn:aws:lambda:{ACCOUNT}:function:local-Hello")],
    ),
    (
        "sesv2",
        lambda c: c.send_email(FromEmailAddress="A <a@b.c>", Content={}),
        [Need("ses:SendEmail", f"arn:aws:ses:{ACCOUNT}:identity/a@b.c")],
    ),
    (
        "bedrock-runtime",
        lambda c: c.invoke_model(modelId="amazon.nova-canvas-v1:0", body=b"{}"),
        [
            Need(
                "bedrock:InvokeModel",
                "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-canvas-v1:0",
            )
        ],
    ),
    (
        "s3",
        lambda c: c.list_objects_v2(Bucket="pictures"),
        [Need("s3:ListBucket", "arn:aws:s3:::pictures")],
    ),
    (
        "s3",
        lambda c: c.head_object(Bucket="pictures", Key="a b"),
        [Need("s3:GetObject", "arn:aws:s3:::pictures/a b")],
    ),
    (
        "s3",
        lambda c: c.copy_object(Bucket="pictures", Key="b", CopySource="old/a"),
        [
            Need("s3:GetObject", "arn:aws:s3:::old/a"),
            Need("s3:PutObject", "arn:aws:s3:::pictures/b"),
        ],
    ),
    (
        "s3",
        lambda c: c.create_multipart_upload(Bucket="pictures", Key="b"),
        [Need("s3:PutObject", "arn:aws:s3:::pictures/b")],
    ),
    (
        "s3",
        lambda c: c.delete_objects(Bucket="pictures", Delete={"Objects": [{"Key": "x"}]}),
        [Need("s3:DeleteObject", "arn:aws:s3:::pictures/x")],
    ),
    ("sts", lambda c: c.get_caller_identity(), []),
]


@pytest.mark.parametrize(("service", "ask", "needed"), CASES)
def test_a_request_needs_the_actions_that_its_service_asks_of_policies(service, ask, needed):
    assert asked(service, ask) == needed


@pytest.mark.parametrize(
    ("host", "path", "needed"),
    [
        ("pictures.localhost:8000", "/a", Need("s3:GetObject", "arn:aws:s3:::pictures/a")),
        ("pictures.s3.localhost", "/", Need("s3:ListBucket", "arn:aws:s3:::pictures")),
        ("my.own.s3.us-east-1.amazonaws.com", "/a", Need("s3:GetObject", "arn:aws:s3:::my.own/a")),
        ("s3.localhost:8000", "/pictures/a", Need("s3:GetObject", "arn:aws:s3:::pictures/a")),
        ("localhost:8000", "/", Need("s3:ListAllMyBuckets", "*")),
    ],
)
def test_a_bucket_may_be_named_in_the_host(host, path, needed):
    signed = "Credential=a/20260101/us-east-1/s3/aws4_request"

    assert needs(Call("GET", path, "", {"authorization": signed, "host": host})) == [needed]


def test_a_post_to_a_connection_needs_the_right_to_manage_connections():
    headers = {"authorization": "Credential=a/20260101/us-east-1/execute-api/aws4_request"}

    found = needs(Call("POST", "/live/@connections/x%3D", "", headers, b"", "abc123"))

    path = "abc123/live/POST/@connections/x="
    assert found == [Need("execute-api:ManageConnections", f"arn:aws:execute-api:{ACCOUNT}:{path}")]


def test_a_link_is_the_request_of_the_function_that_has_signed_it():
    query = "X-Amz-Security-Token=lampwork-function%3AWork&X-Amz-Signature=1"

    assert caller({}, query) == "Work"
    assert caller({"x-amz-security-token": "test"}, "") is None


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("s3:GetObject", "arn:aws:s3:::a/b", True),
        ("S3:getobject", "arn:aws:s3:::a/b", True),
        ("s3:GetObject", "arn:aws:s3:::b/a", False),
        ("s3:GetObject", "", True),
        ("s3:GetObjectAcl", "arn:aws:s3:::a/b", False),
        ("s3:GetObject", "arn:aws:s3:::a/secret/x", False),
    ],
)
def test_a_policy_allows_what_a_statement_allows_and_none_denies(action, resource, allowed):
    document = {
        "Statement": [
            {"Effect": "Allow", "Action": "s3:Get?bject", "Resource": "arn:aws:s3:::a/*"},
            {"Effect": "Deny", "Action": ["s3:*"], "Resource": "arn:aws:s3:::a/secret/*"},
        ]
    }

    assert allows(list(statements_in(document)), action, resource) is allowed


def test_a_condition_holds_for_what_is_allowed_and_not_for_what_is_denied():
    allowing = Statement("Allow", ("s3:*",), ("*",), conditional=True)
    denying = Statement(DENY, ("s3:*",), ("*",), conditional=True)

    assert allows([allowing, denying], "s3:GetObject", "arn:aws:s3:::a/b")
