import json
import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handler(event, context):
    if "detail" in event:
        table.put_item(Item={"id": event["detail"]["id"], "items": 0, "tenant": "events"})
        return
    for record in event["Records"]:
        table.put_item(Item=json.loads(record["body"]))
