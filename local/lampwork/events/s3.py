"""The notifications that S3 sends to functions.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
"""

import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from lampwork.stack.model import ACCOUNT_ID
from lampwork.timestamps import iso_milliseconds


@dataclass(frozen=True, slots=True)
class Bucket:
    name: str
    region: str
    is_versioned: bool = False

    @property
    def arn(self) -> str:
        return f"arn:aws:s3:::{self.name}"


@dataclass(frozen=True, slots=True)
class S3Object:
    """`key` is not encoded; `etag` has no quotes; `size` is in bytes."""

    key: str
    size: int
    etag: str
    version_id: str | None = None


def s3_event(
    event_name: str, bucket: Bucket, changed: S3Object, configuration_id: str
) -> dict[str, Any]:
    """The event for a change of one object. `event_name` is such as s3:ObjectCreated:Put;
    `configuration_id` is that of the bucket's notification."""
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region,
        "eventTime": iso_milliseconds(),
        "eventName": event_name.removeprefix("s3:"),
        "userIdentity": {"principalId": f"AWS:{ACCOUNT_ID}"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {
            "x-amz-request-id": uuid.uuid4().hex[:16].upper(),
            "x-amz-id-2": uuid.uuid4().hex,
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": bucket.name,
                "ownerIdentity": {"principalId": ACCOUNT_ID},
                "arn": bucket.arn,
            },
            "object": _object(event_name, bucket, changed),
        },
    }
    return {"Records": [record]}


def _object(event_name: str, bucket: Bucket, changed: S3Object) -> dict[str, Any]:
    described: dict[str, Any] = {"key": quote_plus(changed.key, safe="/")}
    if ":ObjectRemoved:" not in event_name:
        described |= {"size": changed.size, "eTag": changed.etag}
    if bucket.is_versioned:
        described["versionId"] = str(changed.version_id)
    return {**described, "sequencer": uuid.uuid1().hex[:18].upper()}
