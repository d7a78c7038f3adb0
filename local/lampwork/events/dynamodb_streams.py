"""The events that Lambda makes of the changes of a DynamoDB table, and how it reads the answers.

https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

WITH_NEW: Final = ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")
WITH_OLD: Final = ("OLD_IMAGE", "NEW_AND_OLD_IMAGES")

# The bytes that a list or a map takes beside its elements, and beside each of them.
OF_A_DOCUMENT: Final = 3
OF_AN_ELEMENT: Final = 1

Record = Mapping[str, Any]
Item = Mapping[str, Any]
"""Attributes in DynamoDB's JSON, such as {"id": {"S": "a"}}."""


def record_of(
    keys: Item, old: Item | None, new: Item | None, *, view: str, sequence: int, region: str
) -> Record:
    """A stream's record of one change. `old` is the item before it, None if it was added; `new` is
    the item after it, None if it was removed. `view` is the stream's StreamViewType."""
    change: dict[str, Any] = {"Keys": keys}
    if new is not None and view in WITH_NEW:
        change["NewImage"] = new
    if old is not None and view in WITH_OLD:
        change["OldImage"] = old
    name = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
    return {
        "eventID": uuid.uuid4().hex,
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": region,
        "dynamodb": {
            "ApproximateCreationDateTime": int(time.time()),
            **change,
            "SequenceNumber": str(sequence),
            "SizeBytes": sum(_item_bytes(item) for item in change.values()),
            "StreamViewType": view,
        },
    }


def payload_of(records: Iterable[Record], stream_arn: str) -> bytes:
    """The event for one batch."""
    complete = [with_stream_arn(record, stream_arn) for record in records]
    return json.dumps({"Records": complete}).encode()


def with_stream_arn(record: Record, stream_arn: str) -> Record:
    """The record as events contain it: with the ARN of its stream."""
    return {**record, "eventSourceARN": stream_arn}


def processed_before_failure(records: Sequence[Record], answer: bytes) -> int:
    """How many records come before the first one that failed, by the answer of a function with
    ReportBatchItemFailures.

    An answer that AWS cannot read as a list of failures means that all failed.
    """
    numbers = [record["dynamodb"]["SequenceNumber"] for record in records]
    try:
        result = json.loads(answer) if answer else None
        failures = (result.get("batchItemFailures") if result else None) or []
        return min(
            (numbers.index(each["itemIdentifier"]) for each in failures), default=len(numbers)
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return 0


def _item_bytes(item: Item) -> int:
    """The size of an item as DynamoDB counts it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    match kind:
        case "S":
            return len(content.encode())
        case "N":
            return _number_bytes(content)
        case "B":
            return len(base64.b64decode(content))
        case "SS" | "NS" | "BS":
            return sum(_value_bytes({kind[0]: each}) for each in content)
        case "M":
            return OF_A_DOCUMENT + OF_AN_ELEMENT * len(content) + _item_bytes(content)
        case "L":
            elements = sum(_value_bytes(each) for each in content)
            return OF_A_DOCUMENT + OF_AN_ELEMENT * len(content) + elements
        case _:  # a null or a truth value
            return 1


def _number_bytes(number: str) -> int:
    """One byte for two significant digits, and one more."""
    digits = re.sub(r"[eE].*|[-+.]", "", number).strip("0")
    return (len(digits) + 1) // 2 + 1
