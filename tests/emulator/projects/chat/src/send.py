import json
import os
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key

table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    request = event["requestContext"]
    gateway = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=f"https://{request['domainName']}/{request['stage']}",
    )
    sender = table.update_item(
        Key={"connectionId": request["connectionId"]},
        UpdateExpression="ADD messages :one",
        ExpressionAttributeValues={":one": 1},
        ReturnValues="ALL_NEW",
    )["Attributes"]
    text = json.loads(event["body"])["data"]
    message = json.dumps({"text": text, "number": int(sender["messages"])}).encode()
    in_room = Key("room").eq(sender["room"])
    for each in table.query(IndexName="by-room", KeyConditionExpression=in_room)["Items"]:
        try:
            gateway.post_to_connection(ConnectionId=each["connectionId"], Data=message)
        except gateway.exceptions.GoneException:
            table.delete_item(Key={"connectionId": each["connectionId"]})
    return {"statusCode": 200, "body": "Data sent."}
