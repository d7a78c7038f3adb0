"""Kinesis: streams, Data Firehose's transformations, and the preprocessing of Data Analytics.

https://docs.aws.amazon.com/lambda/latest/dg/with-kinesis.html
https://docs.aws.amazon.com/firehose/latest/dev/data-transformation.html
https://docs.aws.amazon.com/kinesisanalytics/latest/dev/lambda-preprocessing.html
"""

import base64
import gzip
import json
import time
import uuid
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from lampwork.stack.model import ACCOUNT_ID
from lampwork.triggers.samples import REGION, Option, Sample, Service

KINESIS: Final = Service("kinesis", "Streams, Data Firehose and Data Analytics.")
HELLO: Final = "Hello from Kinesis!"
SEQUENCE: Final = "49545115243490985018280067714973144582180062593244200961"
SHARD: Final = "shardId-000000000000"
SYSLOG: Final = "<34>1 2026-03-01T12:00:00.000Z host app - - - started"
ACCESS: Final = '203.0.113.7 - - [01/Mar/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 2326'
LOGS: Final = {
    "messageType": "DATA_MESSAGE",
    "owner": ACCOUNT_ID,
    "logGroup": "/aws/lambda/hello",
    "logStream": "2026/03/01/[$LATEST]0",
    "subscriptionFilters": ["all"],
    "logEvents": [{"id": "0", "timestamp": 1772366400000, "message": "hello"}],
}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def compressed(document: object) -> str:
    """As CloudWatch Logs sends its entries: in JSON, zipped, in base64."""
    return base64.b64encode(gzip.compress(json.dumps(document).encode(), mtime=0)).decode()


def _as_given(data: str) -> str:
    return data


def _stream_records(*, data: str, sequence: str, partition_key: str, region: str) -> dict[str, Any]:
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": partition_key,
                    "sequenceNumber": sequence,
                    "data": encoded(data),
                    "approximateArrivalTimestamp": round(time.time(), 3),
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{SHARD}:{sequence}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT_ID}:role/lambda-role",
                "awsRegion": region,
                "eventSourceARN": f"arn:aws:kinesis:{region}:{ACCOUNT_ID}:stream/my-stream",
            }
        ]
    }


def _delivery(
    encode: Callable[[str], str],
    *,
    region: str,
    data: str,
    partition_key: str = "",
    sequence: str = "",
) -> dict[str, Any]:
    now = int(time.time() * 1000)
    record: dict[str, Any] = {
        "recordId": SEQUENCE,
        "approximateArrivalTimestamp": now,
        "data": encode(data),
    }
    if sequence:
        record["kinesisRecordMetadata"] = {
            "sequenceNumber": sequence,
            "subsequenceNumber": "0",
            "partitionKey": partition_key,
            "shardId": SHARD,
            "approximateArrivalTimestamp": now,
        }
    name = f"arn:aws:firehose:{region}:{ACCOUNT_ID}:deliverystream/my-stream"
    return {
        "invocationId": str(uuid.uuid4()),
        "deliveryStreamArn": name,
        "region": region,
        "records": [record],
    }


def _of_logs(*, region: str) -> dict[str, Any]:
    return _delivery(lambda _: compressed(LOGS), region=region, data="")


def _analysis(
    encode: Callable[[str], str], *, region: str, application: str, stream: str, data: str
) -> dict[str, Any]:
    service = f"arn:aws:kinesisanalytics:{region}:{ACCOUNT_ID}"
    return {
        "invocationId": str(uuid.uuid4()),
        "applicationArn": f"{service}:application/{application}",
        "streamArn": f"arn:aws:firehose:{region}:{ACCOUNT_ID}:deliverystream/{stream}",
        "records": [{"recordId": SEQUENCE, "data": encode(data)}],
    }


def _of_producer(*, region: str, application: str, stream: str) -> dict[str, Any]:
    event = _analysis(
        encoded, region=region, application=application, stream=stream, data="aggregated"
    )
    (record,) = event["records"]
    record["kinesisStreamRecordMetadata"] = {
        "shardId": SHARD,
        "partitionKey": "key",
        "approximateArrivalTimestamp": int(time.time() * 1000),
        "sequenceNumber": SEQUENCE,
    }
    event["streamArn"] = f"arn:aws:kinesis:{region}:{ACCOUNT_ID}:stream/{stream}"
    return event


APPLICATION: Final = (Option("application", "my-application"), Option("stream", "my-stream"))
ITEM: Final = '{"ticker": "AMZN", "price": 1}'


def _sample(name: str, about: str, make: Any, options: Sequence[Option]) -> Sample:
    return Sample((KINESIS,), name, about, make, (*options, REGION))


def _data(default: str, about: str = "The text.") -> Option:
    return Option("data", default, about)


SAMPLES: Final = (
    _sample(
        "get-records",
        "A batch of records of a stream.",
        _stream_records,
        (_data(HELLO), Option("sequence", SEQUENCE), Option("partition-key", "partitionKey-03")),
    ),
    _sample(
        "kinesis-firehose",
        "Data Firehose's records to transform.",
        partial(_delivery, _as_given),
        (_data(encoded(HELLO), "In base64."),),
    ),
    _sample(
        "streams-as-source",
        "Data Firehose's records, read from a stream.",
        partial(_delivery, _as_given),
        (
            _data(encoded(HELLO), "In base64."),
            Option("sequence", SEQUENCE),
            Option("partition-key", "partitionKey-03"),
        ),
    ),
    _sample(
        "apachelog",
        "Data Firehose's records, lines of Apache's log.",
        partial(_delivery, _as_given),
        (_data(encoded(ACCESS), "In base64."),),
    ),
    _sample(
        "syslog",
        "Data Firehose's records, lines of syslog.",
        partial(_delivery, _as_given),
        (_data(encoded(SYSLOG), "In base64."),),
    ),
    _sample(
        "cloudwatch-logs-processor",
        "Data Firehose's records, entries of CloudWatch Logs.",
        _of_logs,
        (),
    ),
    _sample(
        "analytics",
        "Data Analytics' records to preprocess.",
        partial(_analysis, encoded),
        (_data(HELLO), *APPLICATION),
    ),
    _sample(
        "analytics-compressed",
        "Data Analytics' records, zipped.",
        partial(_analysis, _as_given),
        (_data(compressed("hello"), "In base64."), *APPLICATION),
    ),
    _sample(
        "analytics-dynamodb",
        "Data Analytics' output, for a table.",
        partial(_analysis, encoded),
        (_data(ITEM), *APPLICATION),
    ),
    _sample(
        "analytics-kpl",
        "Data Analytics' records of the Kinesis Producer Library.",
        _of_producer,
        APPLICATION,
    ),
)
