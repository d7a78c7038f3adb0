"""The events that SNS sends to functions: https://docs.aws.amazon.com/lambda/latest/dg/with-sns.html"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lampwork.timestamps import iso_milliseconds


@dataclass(frozen=True, slots=True)
class Subscription:
    """A function's subscription to a topic."""

    arn: str
    topic_arn: str


@dataclass(frozen=True, slots=True)
class Publication:
    """A message as it was published. Each of the `attributes` has a Type and a Value."""

    message_id: str
    message: str
    subject: str | None = None
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def sns_event(subscription: Subscription, publication: Publication) -> dict[str, Any]:
    """The event for one message that a topic delivers to a function."""
    address = f"https://sns.{subscription.topic_arn.split(':')[3]}.amazonaws.com/"
    notification = {
        "SignatureVersion": "1",
        "Timestamp": iso_milliseconds(),
        "Signature": "EXAMPLE",
        "SigningCertUrl": f"{address}SimpleNotificationService.pem",
        "MessageId": publication.message_id,
        "Message": publication.message,
        "MessageAttributes": {
            name: {"Type": value["Type"], "Value": _plain(value["Value"])}
            for name, value in publication.attributes.items()
        },
        "Type": "Notification",
        "UnsubscribeUrl": f"{address}?Action=Unsubscribe&SubscriptionArn={subscription.arn}",
        "TopicArn": subscription.topic_arn,
        "Subject": publication.subject,
    }
    record = {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": subscription.arn,
        "Sns": notification,
    }
    return {"Records": [record]}


def _plain(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
