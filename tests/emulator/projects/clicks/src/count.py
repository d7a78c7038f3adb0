"""Counts the clicks of each page, and says which records it could not read."""

import base64
import json
import os

import boto3

counts = boto3.resource("dynamodb").Table(os.environ["COUNTS"])


def handler(event, context):
    shards = {record["eventID"].partition(":")[0] for record in event["Records"]}
    assert len(shards) == 1, "a batch is of one shard"
    for record in event["Records"]:
        try:
            click = json.loads(base64.b64decode(record["kinesis"]["data"]))
            add(click["page"], record)
        except (KeyError, ValueError):
            failed = record["kinesis"]["sequenceNumber"]
            return {"batchItemFailures": [{"itemIdentifier": failed}]}
    return {"batchItemFailures": []}


def add(page, record):
    counts.update_item(
        Key={"page": page},
        UpdateExpression="ADD clicks :one SET numbers ="
        " list_append(if_not_exists(numbers, :none), :numbers)",
        ExpressionAttributeValues={
            ":one": 1,
            ":none": [],
            ":numbers": [record["kinesis"]["sequenceNumber"]],
        },
    )
