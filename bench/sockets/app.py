import json
from typing import Any

import boto3

connections: Any = boto3.client("apigatewaymanagementapi", region_name="us-east-1")


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    about = event["requestContext"]
    if about["routeKey"] == "all":
        for connection_id in json.loads(event["body"])["to"]:
            connections.post_to_connection(ConnectionId=connection_id, Data=b"to all")
    return {"statusCode": 200, "body": about["connectionId"]}
