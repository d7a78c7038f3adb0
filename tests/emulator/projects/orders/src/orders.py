import json
import os
from typing import Any

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def submit(event: dict[str, Any], context: Any) -> dict[str, Any]:
    order = json.loads(event["body"])
    boto3.client("sqs").send_message(
        QueueUrl=os.environ["QUEUE_URL"],
        MessageBody=json.dumps({"kind": "order", **order}),
        MessageGroupId=order["customer"],
    )
    return {"statusCode": 202, "body": json.dumps({"id": order["id"]})}


def process(event: dict[str, Any], context: Any) -> dict[str, Any]:
    failed = []
    for record in event["Records"]:
        try:
            _process(json.loads(record["body"]))
        except KeyError:
            failed.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failed}


def _process(order: dict[str, Any]) -> None:
    total = order["price"] * (100 + int(os.environ["TAX"])) // 100
    carrier = [os.environ["CARRIER_USER"], len(os.environ["CARRIER_KEY"])]
    table.put_item(Item={"id": order["id"], "total": total, "carrier": carrier})
    detail = {"id": order["id"], "total": total}
    boto3.client("events").put_events(
        Entries=[
            {
                "Source": "shop.orders",
                "DetailType": "OrderPaid",
                "Detail": json.dumps(detail),
                "EventBusName": os.environ["BUS"],
            }
        ]
    )
    boto3.client("sns").publish(
        TopicArn=os.environ["NEWS"],
        Subject="sold",
        Message=order["id"],
        MessageAttributes={
            "size": {"DataType": "String", "StringValue": "big" if total > 1000 else "small"}
        },
    )


def ship(event: dict[str, Any], context: Any) -> None:
    table.put_item(Item={"id": f"shipped {event['order']}", "why": event["why"]})


def congratulate(event: dict[str, Any], context: Any) -> None:
    (record,) = event["Records"]
    notification = record["Sns"]
    columns = {"keys": sorted(notification), "subject": notification["Subject"]}
    table.put_item(Item={"id": f"big {notification['Message']}", **columns})


def read_invoice(event: dict[str, Any], context: Any) -> None:
    (record,) = event["Records"]
    stored = record["s3"]
    body = boto3.client("s3").get_object(
        Bucket=stored["bucket"]["name"], Key=stored["object"]["key"]
    )["Body"]
    table.put_item(Item={"id": f"invoice {stored['object']['key']}", "sum": json.load(body)["sum"]})


def charge(event: dict[str, Any], context: Any) -> None:
    table.put_item(Item={"id": f"charge {context.aws_request_id} {os.getpid()}"})
    raise ValueError("the card is refused")


def report(event: dict[str, Any], context: Any) -> None:
    table.put_item(Item={"id": f"report {event['report']}"})
