"""moto's topics and subscriptions."""

from collections.abc import Callable, Mapping
from typing import Any

from moto.sns.models import Subscription

from lampwork.cloud.moto_seam.backends import backend

__all__ = ["Subscription"]

Deliver = Callable[[Subscription, str, str, Mapping[str, Any]], None]
"""Takes the subscription, the text that it gets, the message's id and Publish's other options."""


def publish(region: str, text: str, arn: str) -> None:
    backend("sns", region).publish(text, arn=arn)


def forget_published(state: Any) -> None:
    """moto lists all that was ever published, for tests to look at."""
    for topic in state.topics.values():
        topic.sent_notifications = []


def deliver_to_functions(deliver: Deliver) -> None:
    """From now on `deliver` has what subscriptions of functions get of a published message."""
    kind: Any = Subscription
    publish = kind.publish

    def publish_to_functions_too(
        subscription: Subscription, message: str, message_id: str, **options: Any
    ) -> None:
        if subscription.protocol != "lambda":
            publish(subscription, message, message_id, **options)
        elif _matches(subscription, message, options):
            if options.get("message_structure") == "json":
                message = subscription._parse_message_structure(message, "lambda")
            deliver(subscription, message, message_id, options)

    kind.publish = publish_to_functions_too


def _matches(subscription: Subscription, message: str, options: Mapping[str, Any]) -> bool:
    matcher = subscription._filter_policy_matcher
    return matcher is None or matcher.matches(options.get("message_attributes"), message)
