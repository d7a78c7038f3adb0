"""What AWS writes beside an event that it puts into a dead-letter queue."""

from collections.abc import Mapping

Attributes = Mapping[str, Mapping[str, str]]
"""The attributes of a message, as SQS and SNS take them."""


def texts(attributes: Mapping[str, str]) -> Attributes:
    return {
        name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
    }


def function_not_found(rule_arn: str, function: str) -> dict[str, str]:
    """What a rule's dead letter says of a target that is not there.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    """
    return {
        "RULE_ARN": rule_arn,
        "TARGET_ARN": function,
        "ERROR_CODE": "NO_RESOURCE",
        "ERROR_MESSAGE": f"Function not found: {function}",
        "RETRY_ATTEMPTS": "0",
    }
