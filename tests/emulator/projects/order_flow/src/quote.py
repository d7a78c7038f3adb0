"""Prices by an express state machine, whose answer the request waits for."""

import json
import os

import boto3

states = boto3.client("stepfunctions")


def get(event, context):
    run = states.start_sync_execution(stateMachineArn=os.environ["PRICING"], input=event["body"])
    if run["status"] != "SUCCEEDED":
        return {"statusCode": 422, "body": f"{run['error']}: {run['cause']}"}
    return json.loads(run["output"])
