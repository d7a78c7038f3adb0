import json


def read(event, context):
    claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
    return {
        "statusCode": 200,
        "headers": {"Content-Type": "application/json"},
        "body": json.dumps({"owner": claims["sub"], "edition": event["stageVariables"]["edition"]}),
    }


def write(event, context):
    note = json.loads(event["body"])
    return {"statusCode": 201, "body": note["text"].upper()}
