"""What CloudFormation asks of a custom resource, and how it is answered.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref-responses.html
"""

import json
import logging
from collections.abc import Callable
from http.client import HTTPConnection, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

ANSWER_SECONDS = 10
LONGEST_REASON = 1000  # an answer may have 4,096 bytes

logger = logging.getLogger(__name__)

Send = Callable[[str, bytes], None]


def is_event(event: dict[str, Any]) -> bool:
    return "ResponseURL" in event and "RequestType" in event


def answer(
    event: dict[str, Any],
    work: Callable[[], dict[str, Any]],
    send: Send | None = None,
) -> dict[str, Any]:
    """Do the work and tell CloudFormation, which otherwise waits for an hour and then fails.

    `Fn::GetAtt` reads the `revision` that the work returns. An error is told by its kind and text.
    What is deleted with its stack leaves everything as it is.
    """
    told = {
        "PhysicalResourceId": event.get("PhysicalResourceId") or event["LogicalResourceId"],
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    try:
        done = work() if event["RequestType"] != "Delete" else {}
        told |= {"Status": "SUCCESS", "Data": {"revision": done.get("revision", "")}}
    except Exception as error:
        logger.exception("A custom resource failed")
        reason = f"{type(error).__name__}: {error}"[:LONGEST_REASON]
        told |= {"Status": "FAILED", "Reason": reason}
    (send or _put)(event["ResponseURL"], json.dumps(told).encode())
    return told


def _put(url: str, body: bytes) -> None:
    """The URL is presigned for a request without a content type."""
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("PUT", f"{parts.path}?{parts.query}", body, {"Content-Type": ""})
        status = connection.getresponse().status
    finally:
        connection.close()
    if status >= 300:
        raise OSError(f"CloudFormation's address answered {status}")
