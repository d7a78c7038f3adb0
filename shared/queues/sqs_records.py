import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from dramatiq import DecodeError, Message


class UndecodableRecord(Exception):
    """The record of a queue holds no message of ours."""


def read(record: Mapping[str, Any]) -> Message[Any]:
    """The Dramatiq message an SQS record carries: JSON, Base64, or a JSON string of either.

    Raises:
        UndecodableRecord: anything else; let SQS redeliver and then dead-letter it.
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
