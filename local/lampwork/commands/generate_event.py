"""Events as the emulator itself makes them, for `lampwork invoke NAME -e -`."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, Final

import click

from lampwork.commands.options import Command
from lampwork.events.dynamodb_streams import payload_of as stream_payload
from lampwork.events.dynamodb_streams import record_of
from lampwork.events.http_api import http_event
from lampwork.events.identifiers import Moment, new_id
from lampwork.events.rest_api import proxy_event
from lampwork.events.schedules import payload_of as schedule_payload
from lampwork.events.sqs import payload_of as queue_payload
from lampwork.events.target_input import rule_event
from lampwork.events.websocket_api import (
    Connection,
    connect_event,
    disconnect_event,
    message_event,
)
from lampwork.http.connection import Request
from lampwork.stack.model import ACCOUNT_ID, HttpApi, HttpRoute, QueueTrigger, RestApi, Schedule
from lampwork.stack.router import Match, Router
from lampwork.template.identity import Identity, Place

HOST: Final = "localhost:8000"


@click.group()
def generate_event() -> None:
    """Print an event such as a function gets it."""


@generate_event.group()
def apigateway() -> None:
    """API Gateway's HTTP and WebSocket APIs."""


def _request_options(stage: str) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in (
            click.option("--method", default="GET", show_default=True),
            click.option(
                *("--path",),
                default="/hello",
                show_default=True,
                help="May end in a query string.",
            ),
            click.option("--route", help="The route's path, such as /tasks/{id}; else the path."),
            click.option("--body", default=""),
            click.option("--stage", default=stage, show_default=True),
        ):
            command = option(command)
        return command

    return decorate


@apigateway.command()
@_request_options(stage="$default")
def http_api(method: str, path: str, route: str | None, body: str, stage: str) -> None:
    """A request to an HTTP API, payload 2.0."""
    request = _request(method, _staged(stage, path), body)
    match = _match(method, path, route)
    _print(
        http_event(
            request,
            HttpApi("HttpApi", "local", stage, (match.route,)),
            match.route,
            match.parameters,
            request_id=new_id(),
            moment=Moment.now(),
        )
    )


@apigateway.command()
@_request_options(stage="Prod")
def aws_proxy(method: str, path: str, route: str | None, body: str, stage: str) -> None:
    """A request to a REST API, payload 1.0."""
    request = _request(method, _staged(stage, path), body)
    match = _match(method, path, route)
    api = RestApi("RestApi", "local", stage, (match.route,))
    event = proxy_event(request, api, match, request_id=str(uuid.uuid4()), moment=Moment.now())
    _print(event)


apigateway.add_command(http_api, "http-api-proxy")  # as SAM names it


@apigateway.command()
@click.option("--query", default="", help="The query string, such as token=abc.")
@click.option("--stage", default="prod", show_default=True)
def websocket_connect(query: str, stage: str) -> None:
    """$connect of a WebSocket API."""
    _print(connect_event(_connection(stage), [("Host", HOST)], query, new_id()))


@apigateway.command()
@click.option("--route", default="$default", show_default=True)
@click.option("--body", default='{"action":"hello"}', show_default=True)
@click.option("--stage", default="prod", show_default=True)
def websocket_message(route: str, body: str, stage: str) -> None:
    """A message to a route of a WebSocket API."""
    _print(message_event(_connection(stage), route, body, new_id()))


@apigateway.command()
@click.option("--code", default=1001, show_default=True)
@click.option("--reason", default="")
@click.option("--stage", default="prod", show_default=True)
def websocket_disconnect(code: int, reason: str, stage: str) -> None:
    """$disconnect of a WebSocket API."""
    _print(disconnect_event(_connection(stage), code, reason))


@generate_event.group()
def sqs() -> None:
    """Queues."""


@sqs.command()
@click.option("--body", multiple=True, default=("Hello from SQS!",), help="May be repeated.")
@click.option("--queue-name", default="MyQueue", show_default=True)
@click.option("--region", default="us-east-1", show_default=True)
def receive_message(body: tuple[str, ...], queue_name: str, region: str) -> None:
    """A batch of messages."""
    trigger = QueueTrigger(f"arn:aws:sqs:{region}:{ACCOUNT_ID}:{queue_name}", "Function")
    _print(json.loads(queue_payload(map(_message, body), trigger)))


@generate_event.group()
def cloudwatch() -> None:
    """EventBridge's schedules, by the name SAM has for them."""


@cloudwatch.command()
@click.option("--name", default="MySchedule", show_default=True)
@click.option("--region", default="us-east-1", show_default=True)
@click.option("--scheduler", is_flag=True, help="Of EventBridge Scheduler instead of a rule.")
def scheduled_event(name: str, region: str, scheduler: bool) -> None:
    """A schedule that is due now."""
    source = "aws.scheduler" if scheduler else "aws.events"
    schedule = Schedule(name, name, "Function", "rate(1 minute)", source=source, region=region)
    _print(json.loads(schedule_payload(schedule, datetime.now(UTC))))


@generate_event.group()
def eventbridge() -> None:
    """EventBridge's buses and schedules."""


@eventbridge.command()
@click.option("--source", default="my.application", show_default=True)
@click.option("--detail-type", default="Something happened", show_default=True)
@click.option("--detail", default='{"key": "value"}', show_default=True, help="A JSON object.")
@click.option("--resource", "resources", multiple=True, help="An ARN; may be repeated.")
@click.option("--region", default="us-east-1", show_default=True)
def event(
    source: str, detail_type: str, detail: str, resources: tuple[str, ...], region: str
) -> None:
    """An event that was put on a bus, such as a rule's pattern lets through."""
    about = {"version": "0", "id": str(uuid.uuid4()), "detail-type": detail_type, "source": source}
    place = {"account": ACCOUNT_ID, "time": time.time(), "region": region}
    content = {"resources": list(resources), "detail": _json_object("--detail", detail)}
    _print(rule_event(about | place | content))


eventbridge.add_command(scheduled_event)


@generate_event.group()
def dynamodb() -> None:
    """Streams of tables."""


@dynamodb.command()
@click.option("--table", default="MyTable", show_default=True)
@click.option("--key", default="id", show_default=True, help="The attribute that is the key.")
@click.option("--new", help="The item as it is now, in DynamoDB's JSON; without, it is removed.")
@click.option("--old", help="The item as it was before; without, it is new.")
@click.option("--region", default="us-east-1", show_default=True)
def update(table: str, key: str, new: str | None, old: str | None, region: str) -> None:
    """A change of an item."""
    if new is None and old is None:
        new = json.dumps({key: {"S": "1"}, "message": {"S": "Hello from DynamoDB!"}})
    now = _json_object("--new", new) if new else None
    before = _json_object("--old", old) if old else None
    item = now or before or {}
    if key not in item:
        raise click.BadParameter(f"the item has no attribute {key}.", param_hint="--key")
    place = Place(region, "", "")
    arn = Identity("Table", "AWS::DynamoDB::Table", table, place).attribute("StreamArn") or ""
    record = record_of(
        {key: item[key]},
        before,
        now,
        view="NEW_AND_OLD_IMAGES",
        sequence=time.time_ns(),
        region=region,
    )
    _print(json.loads(stream_payload([record], arn)))


@generate_event.group()
def s3() -> None:
    """Buckets."""


@s3.command()
@click.option("--bucket", default="my-bucket", show_default=True)
@click.option("--key", default="folder/picture.png", show_default=True)
@click.option("--size", default=1024, show_default=True)
@click.option("--region", default="us-east-1", show_default=True)
def put(bucket: str, key: str, size: int, region: str) -> None:
    """An object that was put."""
    _print(_s3_event("s3:ObjectCreated:Put", bucket, key, size, region))


@s3.command()
@click.option("--bucket", default="my-bucket", show_default=True)
@click.option("--key", default="folder/picture.png", show_default=True)
@click.option("--region", default="us-east-1", show_default=True)
def delete(bucket: str, key: str, region: str) -> None:
    """An object that was deleted."""
    _print(_s3_event("s3:ObjectRemoved:Delete", bucket, key, 0, region))


@generate_event.group()
def sns() -> None:
    """Topics."""


@sns.command()
@click.option("--message", default="Hello from SNS!", show_default=True)
@click.option("--subject")
@click.option("--topic", default="MyTopic", show_default=True)
@click.option("--region", default="us-east-1", show_default=True)
def notification(message: str, subject: str | None, topic: str, region: str) -> None:
    """A message that was published."""
    # moto, which this builds on, takes a second to load: no other command should wait for it.
    from lampwork.events.sns import sns_event

    topic_arn = f"arn:aws:sns:{region}:{ACCOUNT_ID}:{topic}"
    subscription = SimpleNamespace(topic_arn=topic_arn, arn=f"{topic_arn}:{uuid.uuid4()}")
    _print(sns_event(subscription, message, str(uuid.uuid4()), {"subject": subject}))


def _s3_event(name: str, bucket: str, key: str, size: int, region: str) -> dict[str, Any]:
    from lampwork.events.s3 import s3_event

    where = SimpleNamespace(
        name=bucket, region_name=region, arn=f"arn:aws:s3:::{bucket}", is_versioned=False
    )
    what = SimpleNamespace(name=key, size=size, etag=f'"{uuid.uuid4().hex}"', version_id="null")
    return s3_event(name, where, what, "lampwork")


def _print(event: Mapping[str, Any]) -> None:
    click.echo(json.dumps(event, indent=2, ensure_ascii=False))


def _json_object(option: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint=option) from error
    if not isinstance(value, dict):
        raise click.BadParameter("it must be a JSON object.", param_hint=option)
    return value


def _staged(stage: str, path: str) -> str:
    """The path as a client of the stage sends it."""
    return path if stage == "$default" else f"/{stage}{path}"


def _match(method: str, target: str, route: str | None) -> Match:
    """A route of this path, or of the request's own, as the gateway would find it."""
    path = target.partition("?")[0]
    if match := Router([HttpRoute(method, route or path, "Function")]).match(method, path):
        return match
    raise click.BadParameter(f"{path} does not fit {route}.", param_hint="--route")


def _request(method: str, target: str, body: str) -> Request:
    headers = [("Host", HOST), ("User-Agent", "lampwork"), ("Accept", "*/*")]
    if body:
        headers.append(("Content-Type", "application/json"))
        headers.append(("Content-Length", str(len(body.encode()))))
    return Request(method, target, headers, body.encode(), ("127.0.0.1", 0), secure=False)


def _connection(stage: str) -> Connection:
    return Connection("local", stage, "127.0.0.1", "lampwork", HOST)


def _message(body: str) -> dict[str, Any]:
    now = str(int(time.time() * 1000))
    return {
        "MessageId": str(uuid.uuid4()),
        "ReceiptHandle": uuid.uuid4().hex,
        "Body": body,
        "MD5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "Attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": now,
            "SenderId": ACCOUNT_ID,
            "ApproximateFirstReceiveTimestamp": now,
        },
    }
