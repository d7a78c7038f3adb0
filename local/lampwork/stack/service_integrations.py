"""Integrations by which an HTTP API calls an AWS service itself.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-aws-services-reference.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

# Each subtype with its service, its operation and the parameters that it must have.
SUBTYPES: Final[Mapping[str, tuple[str, str, tuple[str, ...]]]] = {
    "EventBridge-PutEvents": ("events", "PutEvents", ("Detail", "DetailType", "Source")),
    "SQS-SendMessage": ("sqs", "SendMessage", ("QueueUrl", "MessageBody")),
    "SQS-ReceiveMessage": ("sqs", "ReceiveMessage", ("QueueUrl",)),
    "SQS-DeleteMessage": ("sqs", "DeleteMessage", ("QueueUrl", "ReceiptHandle")),
    "SQS-PurgeQueue": ("sqs", "PurgeQueue", ("QueueUrl",)),
    "Kinesis-PutRecord": ("kinesis", "PutRecord", ("StreamName", "Data", "PartitionKey")),
    "StepFunctions-StartExecution": ("states", "StartExecution", ("StateMachineArn",)),
    "StepFunctions-StartSyncExecution": ("states", "StartSyncExecution", ("StateMachineArn",)),
    "StepFunctions-StopExecution": ("states", "StopExecution", ("ExecutionArn",)),
}


@dataclass(frozen=True, slots=True)
class ServiceIntegration:
    """Which operation a route calls, and where the values of its parameters come from: texts with
    $request.body.NAME, $context.NAME and others, also as ${…} within a text."""

    subtype: str
    parameters: Mapping[str, str]
    region: str

    @property
    def service(self) -> str:
        return SUBTYPES[self.subtype][0]

    @property
    def operation(self) -> str:
        return SUBTYPES[self.subtype][1]
