# ruff: noqa
# mypy: ignore-errors
"""Sends the result of a custom resource's function to CloudFormation.

AWS puts a module of this name beside code that is written in a template and imports it.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cfn-lambda-function-code-cfnresponsemodule.html
"""

import json
import urllib.request

SUCCESS = "SUCCESS"
FAILED = "FAILED"


def send(
    event,
    context,
    responseStatus,
    responseData,
    physicalResourceId=None,
    noEcho=False,
    reason=None,
):
    log = context.log_stream_name
    body = {
        "Status": responseStatus,
        "Reason": reason or f"See the details in CloudWatch Log Stream: {log}",
        "PhysicalResourceId": physicalResourceId or log,
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "NoEcho": noEcho,
        "Data": responseData,
    }
    headers = {"Content-Type": ""}
    url, content = event["ResponseURL"], json.dumps(body).encode()
    request = urllib.request.Request(url, content, headers, method="PUT")
    try:
        with urllib.request.urlopen(request) as answer:
            print("Status code:", answer.status)
    except Exception as error:
        print("send(..) failed executing http.request(..):", error)
