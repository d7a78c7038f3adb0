"""Orders wait in a queue and become parcels in a table."""

import json
import os
import time
import uuid
from typing import Any

import boto3

parcels = boto3.resource("dynamodb").Table(os.environ["PARCELS"])
queue = boto3.client("sqs")
sockets = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["LIVE_URL"])


def add(event: dict[str, Any], context: Any) -> int:
    print("adding")  # noqa: T201 - its log
    return sum(event["numbers"])


def order(event: dict[str, Any], context: Any) -> dict[str, Any]:
    queue.send_message(QueueUrl=os.environ["ORDERS_URL"], MessageBody=event["body"])
    return {"statusCode": 202, "headers": {"X-Shop": "yes"}, "body": event["body"]}


def listed(event: dict[str, Any], context: Any) -> dict[str, Any]:
    wanted = (event.get("queryStringParameters") or {}).get("kind")
    found = [each["kind"] for each in parcels.scan()["Items"]]
    return {
        "statusCode": 200,
        "body": json.dumps([each for each in found if wanted in (None, each)]),
    }


def ship(event: dict[str, Any], context: Any) -> None:
    for record in event["Records"]:
        keep(json.loads(record["body"])["kind"])


def told(event: dict[str, Any], context: Any) -> None:
    keep(event["detail"]["kind"])


def hourly(event: dict[str, Any], context: Any) -> None:
    keep("hourly")


def nap(event: dict[str, Any], context: Any) -> None:
    """Runs until there is a parcel to wake it."""
    while "Item" not in parcels.get_item(Key={"id": "alarm"}):
        time.sleep(0.01)


def seen(event: dict[str, Any], context: Any) -> int:
    return len(event["Records"])


def served(event: dict[str, Any], context: Any) -> str:
    body: str = event["Records"][0]["body"]
    return body


def gate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return {"isAuthorized": event["headers"]["authorization"] == "please"}


def process(event: dict[str, Any], context: Any) -> int:
    return os.getpid()


def keep(kind: str) -> None:
    parcels.put_item(Item={"id": str(uuid.uuid4()), "kind": kind})


def connect(event: dict[str, Any], context: Any) -> dict[str, Any]:
    refused = "no" in (event.get("queryStringParameters") or {})
    return {"statusCode": 403 if refused else 200}


def echo(event: dict[str, Any], context: Any) -> dict[str, Any]:
    sockets.post_to_connection(
        ConnectionId=event["requestContext"]["connectionId"], Data=event["body"].upper()
    )
    return {"statusCode": 200}
