import json
import os

import boto3
import iniconfig

TABLE = boto3.resource("dynamodb").Table(os.environ["LEDGER"])


def handler(event, context):
    for record in event["Records"]:
        sale = json.loads(record["body"])
        files = {"file": __file__, "package": iniconfig.__file__}
        TABLE.put_item(Item={**sale, **files, "book": os.environ["BOOK"]})
