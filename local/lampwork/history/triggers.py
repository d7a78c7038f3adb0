"""What woke a function, read from its event."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Trigger:
    """A kind such as "http" or "sqs", and what it was there: a route, a queue, a topic."""

    kind: str
    name: str


def trigger_of(event: Any) -> Trigger:
    """The trigger whose shape an event has; "invoke" for any other event."""
    if not isinstance(event, dict):
        return Trigger("pipe", "") if _is_batch(event) else INVOKE
    try:
        return _of_request(event) or _of_records(event) or _of_service(event) or INVOKE
    except (KeyError, IndexError, TypeError, AttributeError):  # only its beginning looks like one
        return INVOKE


INVOKE: Final = Trigger("invoke", "")


def _of_request(event: Mapping[str, Any]) -> Trigger | None:
    if event.get("type") in ("TOKEN", "REQUEST") and ("methodArn" in event or "routeArn" in event):
        return Trigger("authorizer", event.get("methodArn") or event["routeArn"])
    context = event.get("requestContext")
    if not isinstance(context, dict):
        return None
    if "connectionId" in context and "routeKey" in context:
        return Trigger("websocket", context["routeKey"])
    if "http" in context:
        return Trigger("http", f"{context['http']['method']} {context['http']['path']}")
    if "httpMethod" in event:
        return Trigger("http", f"{event['httpMethod']} {event['path']}")
    return None


def _is_batch(event: Any) -> bool:
    return isinstance(event, list) and bool(event) and isinstance(event[0], dict)


def _of_records(event: Mapping[str, Any]) -> Trigger | None:
    records = event.get("Records")
    if not isinstance(records, list) or not _is_batch(records):
        return None
    record = records[0]
    source = record.get("eventSource") or record.get("EventSource")
    return NAMED[source](record) if source in NAMED else None


def _last(arn: str) -> str:
    return arn.rpartition(":")[2]


NAMED: Final[Mapping[str, Callable[[Mapping[str, Any]], Trigger]]] = {
    "aws:sqs": lambda record: Trigger("sqs", _last(record["eventSourceARN"])),
    "aws:sns": lambda record: Trigger("sns", _last(record["Sns"]["TopicArn"])),
    "aws:s3": lambda record: Trigger(
        "s3", f"{record['s3']['bucket']['name']}/{record['s3']['object']['key']}"
    ),
    "aws:dynamodb": lambda record: Trigger("dynamodb", record["eventSourceARN"].split("/")[1]),
    "aws:kinesis": lambda record: Trigger("kinesis", record["eventSourceARN"].split("/")[1]),
}


def _of_service(event: Mapping[str, Any]) -> Trigger | None:
    if "detail-type" in event and "source" in event:
        if event["detail-type"] == "Scheduled Event":
            return Trigger("schedule", str((event.get("resources") or [""])[0]).rpartition("/")[2])
        return Trigger("eventbridge", f"{event['source']}: {event['detail-type']}")
    if "triggerSource" in event and "userPoolId" in event:
        return Trigger("cognito", event["triggerSource"])
    if "RequestType" in event and "LogicalResourceId" in event:
        return Trigger("cloudformation", f"{event['RequestType']} {event['LogicalResourceId']}")
    if "DurableExecutionArn" in event:
        return Trigger("durable", _last(event["DurableExecutionArn"]))
    return None
