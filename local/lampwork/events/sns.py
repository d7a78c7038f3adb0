from collections.abc import Mapping
from typing import Any

from lampwork.timestamps import iso_milliseconds


def sns_event(
    subscription: Any, message: str, message_id: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html"""
    address = f"https://sns.{subscription.topic_arn.split(':')[3]}.amazonaws.com/"
    notification = {
        "SignatureVersion": "1",
        "Timestamp": iso_milliseconds(),
        "Signature": "EXAMPLE",
        "SigningCertUrl": f"{address}SimpleNotificationService.pem",
        "MessageId": message_id,
        "Message": message,
        "MessageAttributes": {
            name: {"Type": value["Type"], "Value": _plain(value["Value"])}
            for name, value in (options.get("message_attributes") or {}).items()
        },
        "Type": "Notification",
        "UnsubscribeUrl": f"{address}?Action=Unsubscribe&SubscriptionArn={subscription.arn}",
        "TopicArn": subscription.topic_arn,
        "Subject": options.get("subject"),
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": notification,
    }
    return {"Records": [record]}


def _plain(value: Any) -> Any:
    return value.decode() if isinstance(value, bytes) else str(value)
