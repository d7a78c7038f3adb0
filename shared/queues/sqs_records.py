import base64
import binascii
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from dramatiq import DecodeError, Message

from shared.process import metrics
from shared.process.parallel import for_each

logger = logging.getLogger(__name__)

Record = Mapping[str, Any]
Work = Callable[[Message[Any]], Awaitable[None]]


class UndecodableRecord(Exception):
    """The record does not hold a message of ours."""


async def for_each_record(
    event: Mapping[str, Any], work: Work, *, queue_name: str, at_a_time: int = 1
) -> dict[str, Any]:
    """Do the work of each message of an SQS event. Returns the answer that names the failed ones.

    SQS sends only the failed messages again, and at last moves them to the dead letters.
    https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
    """
    failed: set[str] = set()

    async def attempt(record: Record) -> None:
        try:
            await work(read(record))
        except Exception as error:  # whatever it is, it must not fail the other records
            _report(record, error, queue_name)
            failed.add(record["messageId"])

    await for_each(event["Records"], attempt, at_a_time=at_a_time)
    ids = [record["messageId"] for record in event["Records"] if record["messageId"] in failed]
    return {"batchItemFailures": [{"itemIdentifier": id} for id in ids]}


def _report(record: Record, error: Exception, queue_name: str) -> None:
    reason = "unreadable" if isinstance(error, UndecodableRecord) else "failed"
    metrics.record(metrics.MESSAGES_REJECTED, Queue=queue_name, Reason=reason)
    logger.exception(
        "A message failed", extra={"message_id": record["messageId"], "queue": queue_name}
    )


def uuid_argument(message: Message[Any], name: str) -> UUID:
    """An argument of the message that must be a UUID.

    Raises:
        UndecodableRecord: it is missing, or something else.
    """
    try:
        return UUID(message.kwargs[name])
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise UndecodableRecord from error


def read(record: Record) -> Message[Any]:
    """The Dramatiq message an SQS record carries: JSON, Base64, or a JSON string of either.

    Raises:
        UndecodableRecord: it holds anything else.
    """
    body = record.get("body")
    if not isinstance(body, str):
        raise UndecodableRecord
    try:
        return Message.decode(_message_text(body))
    except (DecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UndecodableRecord from error


def _message_text(body: str) -> bytes:
    if body.startswith('"'):
        return _message_text(json.loads(body))
    if body.startswith("{"):
        return body.encode()
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise UndecodableRecord from error
