"""The records of Kinesis's streams in Lambda's events.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
"""

import base64
import binascii
from typing import Any, Final

from lampwork.events.event_patterns.fields import Members, parse_json
from lampwork.events.streams import Record, StreamKind
from lampwork.stack.model import ACCOUNT_ID


def record_of(
    *, shard: str, sequence: str, partition_key: str, data: str, arrived_at: float, region: str
) -> Record:
    """A stream's record. `data` is in base64, `arrived_at` in seconds since 1970."""
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": partition_key,
            "sequenceNumber": sequence,
            "data": data,
            "approximateArrivalTimestamp": round(arrived_at, 3),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard}:{sequence}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT_ID}:role/lampwork",
        "awsRegion": region,
    }


def _filtered(record: Record) -> dict[str, Any]:
    """A record as filters see it: the data decoded, beside its metadata.

    https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis-filtering.html
    """
    rest = {name: value for name, value in record.items() if name != "kinesis"}
    return {**rest, **record["kinesis"], "data": _decoded(record["kinesis"]["data"])}


def _decoded(data: str) -> Members | str:
    """The data, if it is a JSON object; else as it came."""
    try:
        content = parse_json(base64.b64decode(data).decode())
    except (binascii.Error, ValueError):
        return data
    return content if isinstance(content, Members) else data


KINESIS: Final = StreamKind(
    batch_info="KinesisBatchInfo",
    sequence_of=lambda record: str(record["kinesis"]["sequenceNumber"]),
    arrived_at=lambda record: float(record["kinesis"]["approximateArrivalTimestamp"]),
    shard_of=lambda record: str(record["eventID"]).partition(":")[0],
    key_of=lambda record: str(record["kinesis"]["partitionKey"]),
    filtered=_filtered,
)
