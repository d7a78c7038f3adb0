"""Someone has to agree to large orders: the state machine waits for the answer."""

import json
import os

import boto3

orders = boto3.resource("dynamodb").Table(os.environ["ORDERS"])
states = boto3.client("stepfunctions")


def ask(event, context):
    orders.put_item(Item={"id": event["id"], "token": event["token"]})


def answer(event, context):
    order = event["pathParameters"]["id"]
    token = orders.get_item(Key={"id": order}).get("Item", {}).get("token")
    if token is None:
        return {"statusCode": 404}
    if event["pathParameters"]["verdict"] == "approve":
        states.send_task_success(taskToken=token, output=json.dumps({"by": "anna"}))
    else:
        states.send_task_failure(taskToken=token, error="Rejected", cause="too expensive")
    return {"statusCode": 200}
