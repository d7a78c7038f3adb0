import json
import os

import boto3

books = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handler(event, context):
    book = {"isbn": event["pathParameters"]["isbn"], **json.loads(event["body"])}
    books.put_item(Item=book)
    return {"statusCode": 201, "body": json.dumps({"by": context.function_name})}


def fulfil(event, context):
    for record in event["Records"]:
        key = {"isbn": record["body"]}
        books.update_item(
            Key=key, UpdateExpression="SET sold = :yes", ExpressionAttributeValues={":yes": True}
        )
