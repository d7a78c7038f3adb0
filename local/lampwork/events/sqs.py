"""The events that Lambda makes of SQS messages, and how it reads the answers."""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from lampwork.events.event_patterns.fields import Members, parse_json
from lampwork.events.event_patterns.pattern import EventPattern
from lampwork.stack.model import QueueTrigger

# Of the attributes that ReceiveMessage may return, Lambda passes these on.
ATTRIBUTES: Final = (
    "ApproximateReceiveCount",
    "SentTimestamp",
    "SenderId",
    "ApproximateFirstReceiveTimestamp",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
    "MessageGroupId",
    "MessageDeduplicationId",
    "SequenceNumber",
)

Message = Mapping[str, Any]
"""A message as ReceiveMessage returns it."""


def payload_of(records: Iterable[bytes]) -> bytes:
    """The event for one batch of records, each in JSON."""
    return b'{"Records": [' + b", ".join(records) + b"]}"


def record_of(message: Message, queue_arn: str) -> bytes:
    """The record of a message in an event, in JSON."""
    return json.dumps(_record(message, queue_arn)).encode()


def passes(message: Message, trigger: QueueTrigger) -> bool:
    """Whether the filters of an event source mapping let a message through. A filter for the body
    sees it as JSON if it is a JSON object.

    https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-filtering.html
    """
    if not trigger.filters:
        return True
    record = _record(message, trigger.queue_arn)
    record = {**record, "body": _object_or_text(record["body"])}
    return any(EventPattern.parse(each).matches(record) for each in trigger.filters)


def _object_or_text(body: str) -> Members | str:
    try:
        content = parse_json(body)
    except ValueError:
        return body
    return content if isinstance(content, Members) else body


def failed_messages(messages: Sequence[Message], answer: bytes) -> list[Message]:
    """The messages of a batch that failed, by the answer of a function with
    ReportBatchItemFailures.

    An answer that AWS cannot read as a list of failures means that all failed:
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    try:
        failed = _failed_ids(answer, {message["MessageId"] for message in messages})
    except (AttributeError, KeyError, TypeError, ValueError):
        return list(messages)
    return [message for message in messages if message["MessageId"] in failed]


def _failed_ids(answer: bytes, batch: set[str]) -> set[str]:
    result = json.loads(answer) if answer else None
    failures = (result.get("batchItemFailures") if result else None) or []
    failed = {failure["itemIdentifier"] for failure in failures}
    if unknown := failed - batch:
        raise ValueError(f"{unknown} are not in the batch")
    return failed


def _record(message: Message, queue_arn: str) -> dict[str, Any]:
    attributes = message.get("Attributes", {})
    record = {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {name: attributes[name] for name in ATTRIBUTES if name in attributes},
        "messageAttributes": {
            name: _attribute(value) for name, value in message.get("MessageAttributes", {}).items()
        },
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": queue_arn,
        "awsRegion": queue_arn.split(":")[3],
    }
    if md5 := message.get("MD5OfMessageAttributes"):
        record["md5OfMessageAttributes"] = md5
    return record


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    attribute = {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
    if "BinaryValue" in value:
        return {"binaryValue": base64.b64encode(value["BinaryValue"]).decode(), **attribute}
    return {"stringValue": value["StringValue"], **attribute}
