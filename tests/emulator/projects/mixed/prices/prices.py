import json
import os

import boto3
import iniconfig

PRICES = iniconfig.IniConfig("/var/task/prices.ini")["prices"]


def handler(event, context):
    item = event["pathParameters"]["item"]
    if item not in PRICES:
        return {"statusCode": 404}
    sale = {"id": context.aws_request_id, "item": item}
    boto3.client("sqs").send_message(QueueUrl=os.environ["SALES_URL"], MessageBody=json.dumps(sale))
    return {"price": int(PRICES[item]), "layer": iniconfig.__file__}
