"""Who listens over a WebSocket, and what they are told."""

import json
import os
from typing import Any

import boto3

listeners = boto3.resource("dynamodb").Table(os.environ["LISTENERS"])
sockets = boto3.client("apigatewaymanagementapi", endpoint_url=os.environ["LIVE_URL"])


def connect(event: dict[str, Any], context: Any) -> dict[str, Any]:
    listeners.put_item(Item={"id": event["requestContext"]["connectionId"]})
    return {"statusCode": 200}


def disconnect(event: dict[str, Any], context: Any) -> dict[str, Any]:
    listeners.delete_item(Key={"id": event["requestContext"]["connectionId"]})
    return {"statusCode": 200}


def tell_everybody(message: dict[str, Any]) -> None:
    """Send a message to each listener. Who has gone without a word is forgotten."""
    data = json.dumps(message).encode()
    for listener in listeners.scan()["Items"]:
        try:
            sockets.post_to_connection(ConnectionId=listener["id"], Data=data)
        except sockets.exceptions.GoneException:
            listeners.delete_item(Key={"id": listener["id"]})
