"""Puts each click that is posted into the stream."""

import json
import os

import boto3

kinesis = boto3.client("kinesis")


def handler(event, context):
    click = json.loads(event["body"])
    answer = kinesis.put_record(
        StreamName=os.environ["CLICKS"], Data=json.dumps(click), PartitionKey=click["user"]
    )
    return {"shard": answer["ShardId"], "number": answer["SequenceNumber"]}
