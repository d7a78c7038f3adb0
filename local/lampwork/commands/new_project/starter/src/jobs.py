"""A job comes in over HTTP, waits in a queue, and its result goes to everybody who listens."""

import base64
import json
import os
import uuid
from typing import Any

import boto3

from live import tell_everybody

queue = boto3.client("sqs")


def submit(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """POST /jobs with {"text": "…"}: 202, and the job's id."""
    try:
        text = _body(event)["text"]
    except (ValueError, KeyError, TypeError):
        return _answer(400, {"message": 'The body must be JSON like {"text": "…"}.'})
    if not isinstance(text, str):
        return _answer(400, {"message": '"text" must be a string.'})
    job = {"id": str(uuid.uuid4()), "text": text}
    queue.send_message(QueueUrl=os.environ["JOBS_URL"], MessageBody=json.dumps(job))
    return _answer(202, {"id": job["id"]})


def work(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Does the jobs of a batch. Those that fail come again, and the others do not."""
    failed = []
    for record in event["Records"]:
        try:
            job = json.loads(record["body"])
            tell_everybody({"id": job["id"], "result": job["text"].upper()})
        except Exception as error:
            print(f"Job {record['messageId']} failed: {error!r}")
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def _body(event: dict[str, Any]) -> Any:
    body = event.get("body") or ""
    return json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)


def _answer(status: int, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"}
    return {"statusCode": status, "headers": headers, "body": json.dumps(body)}
