"""The message attributes with which AWS explains an event in a dead-letter queue."""

from collections.abc import Mapping

Attributes = Mapping[str, Mapping[str, str]]
"""The attributes of a message, as SQS and SNS take them."""


def text_attributes(attributes: Mapping[str, str]) -> Attributes:
    """These attributes, all of type String."""
    return {
        name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()
    }


def function_not_found(rule_arn: str, function: str) -> dict[str, str]:
    """The attributes of a rule's dead letter whose target function does not exist.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    """
    return undelivered(rule_arn, function, "NO_RESOURCE", f"Function not found: {function}")


def undelivered(rule_arn: str, target: str, code: str, message: str) -> dict[str, str]:
    """The attributes of a rule's dead letter that its target did not take.

    https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
    """
    return {
        "RULE_ARN": rule_arn,
        "TARGET_ARN": target,
        "ERROR_CODE": code,
        "ERROR_MESSAGE": message,
        "RETRY_ATTEMPTS": "0",
    }
