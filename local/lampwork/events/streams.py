"""What Lambda does alike with the records of DynamoDB's and Kinesis's streams."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Record = Mapping[str, Any]
"""A record as it is in an event, but without the ARN of its stream."""


@dataclass(frozen=True, slots=True)
class StreamKind:
    """What differs between the two. Each function takes a record.

    `batch_info` is the key under which a failure's record describes the batch. `arrived_at` is in
    seconds since 1970. Records with the same `key_of` stay in order even if several batches of a
    shard run at a time. `filtered` is a record as filters see it.
    """

    batch_info: str
    sequence_of: Callable[[Record], str]
    arrived_at: Callable[[Record], float]
    shard_of: Callable[[Record], str]
    key_of: Callable[[Record], str]
    filtered: Callable[[Record], Any]


def payload_of(records: Iterable[Record], stream_arn: str) -> bytes:
    """The event for one batch."""
    complete = [with_stream_arn(record, stream_arn) for record in records]
    return json.dumps({"Records": complete}).encode()


def with_stream_arn(record: Record, stream_arn: str) -> Record:
    """The record as events contain it: with the ARN of its stream."""
    return {**record, "eventSourceARN": stream_arn}


def processed_before_failure(numbers: Sequence[str], answer: bytes) -> int:
    """How many records come before the first one that failed, by the answer of a function with
    ReportBatchItemFailures. `numbers` are the sequence numbers of the batch.

    An answer that AWS cannot read as a list of failures means that all failed.
    """
    try:
        result = json.loads(answer) if answer else None
        failures = (result.get("batchItemFailures") if result else None) or []
        return min(
            (numbers.index(each["itemIdentifier"]) for each in failures), default=len(numbers)
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        return 0
