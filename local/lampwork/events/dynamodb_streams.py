"""The records of DynamoDB's streams in Lambda's events.

https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any, Final

from lampwork.events.streams import Record, StreamKind

WITH_NEW: Final = ("NEW_IMAGE", "NEW_AND_OLD_IMAGES")
WITH_OLD: Final = ("OLD_IMAGE", "NEW_AND_OLD_IMAGES")

# The bytes that a list or a map takes beside its elements, and beside each of them.
OF_A_DOCUMENT: Final = 3
OF_AN_ELEMENT: Final = 1

Item = Mapping[str, Any]
"""Attributes in DynamoDB's JSON, such as {"id": {"S": "a"}}."""


MICROSECOND: Final = "MICROSECOND"


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
    return {
        "eventID": uuid.uuid4().hex,
        "eventName": _event_name(old, new),
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


def kinesis_record_of(
    keys: Item, old: Item | None, new: Item | None, *, table: str, precision: str, region: str
) -> Record:
    """What a stream of Kinesis gets of one change: unlike a table's own stream, all of the item
    before and after it. `precision` is MICROSECOND or MILLISECOND.

    The shape was captured in 2024, with the precision; records of 2022 lack it. A template that
    names none gets microseconds:
    https://docs.aws.amazon.com/cdk/api/v2/docs/aws-cdk-lib.aws_dynamodb.ApproximateCreationDateTimePrecision.html
    """
    images = {"NewImage": new, "OldImage": old}
    change = {"Keys": keys} | {name: item for name, item in images.items() if item is not None}
    unit = 1_000 if precision == MICROSECOND else 1_000_000
    return {
        "awsRegion": region,
        "eventID": str(uuid.uuid4()),
        "eventName": _event_name(old, new),
        "userIdentity": None,
        "recordFormat": "application/json",
        "tableName": table,
        "dynamodb": {
            "ApproximateCreationDateTime": time.time_ns() // unit,
            **change,
            "SizeBytes": sum(_item_bytes(item) for item in change.values()),
            "ApproximateCreationDateTimePrecision": precision,
        },
        "eventSource": "aws:dynamodb",
    }


def _event_name(old: Item | None, new: Item | None) -> str:
    return "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"


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


DYNAMODB: Final = StreamKind(
    batch_info="DDBStreamBatchInfo",
    sequence_of=lambda record: str(record["dynamodb"]["SequenceNumber"]),
    arrived_at=lambda record: float(record["dynamodb"]["ApproximateCreationDateTime"]),
    shard_of=lambda record: "shardId-00000000000000000000-00000000",
    key_of=lambda record: json.dumps(record["dynamodb"]["Keys"]),
    filtered=lambda record: record,
)
