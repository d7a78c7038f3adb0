import os
from typing import Any

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    room = (event.get("queryStringParameters") or {}).get("room", "lobby")
    table.put_item(
        Item={"connectionId": event["requestContext"]["connectionId"], "room": room, "messages": 0}
    )
    return {"statusCode": 200, "body": "Connected."}
