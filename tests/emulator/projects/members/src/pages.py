import json
import os


def read(event, context):
    settings = {name: os.environ[name] for name in ("POOL", "CLIENT", "SECRET")}
    told = {"authorizer": event["requestContext"]["authorizer"], "settings": settings}
    return {"statusCode": 200, "body": json.dumps(told)}
