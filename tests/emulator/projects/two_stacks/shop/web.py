import os

import boto3

books = boto3.resource("dynamodb").Table(os.environ["TABLE"])
sqs = boto3.client("sqs")


def handler(event, context):
    isbn = event["pathParameters"]["isbn"]
    if event["requestContext"]["http"]["method"] == "POST":
        sqs.send_message(QueueUrl=os.environ["QUEUE"], MessageBody=isbn)
        return {"ordered": isbn}
    book = books.get_item(Key={"isbn": isbn}).get("Item", {})
    return {**book, "by": context.function_name, "motto": os.environ["MOTTO"]}
