import uuid
from typing import Any
from urllib.parse import quote_plus

from lampwork.stack.model import ACCOUNT_ID
from lampwork.timestamps import iso_milliseconds


def s3_event(event_name: str, bucket: Any, key: Any, configuration_id: str) -> dict[str, Any]:
    """https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html"""
    about = {"key": quote_plus(key.name, safe="/"), "size": key.size, "eTag": key.etag.strip('"')}
    removed = ":ObjectRemoved:" in event_name
    if removed:
        about = {"key": about["key"]}
    if bucket.is_versioned:
        about["versionId"] = str(key.version_id)
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": bucket.region_name,
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
            "object": {**about, "sequencer": uuid.uuid1().hex[:18].upper()},
        },
    }
    return {"Records": [record]}
