"""moto's topics and subscriptions."""

from collections.abc import Callable, Mapping
from typing import Any

from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import SNSBackend, Subscription
from moto.sns.utils import FilterPolicyMatcher

__all__ = ["Subscription"]

Deliver = Callable[[Subscription, str, str, Mapping[str, Any]], None]
"""Takes the subscription, its text, the message's id and the other options of Publish."""


def forget_published(state: Any) -> None:
    """Delete moto's list of all published messages, which would grow without limit.

    moto keeps it so that tests can look at it.
    """
    for topic in state.topics.values():
        topic.sent_notifications = []


def deliver_to_functions(deliver: Deliver) -> None:
    """From now on, call `deliver` for each message that the subscription of a function gets."""
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


Refusal = Callable[[Mapping[str, Any], str | None], str | None]
"""Takes a filter policy and its scope. Returns why SNS would refuse it; None if it would not."""

LetsThrough = Callable[[Mapping[str, Any], str | None, Mapping[str, Any], str], bool]
"""Takes a filter policy, its scope, and the attributes and the text of a message."""


def judge_policies(refusal: Refusal, lets_through: LetsThrough) -> None:
    """From now on, these decide which filter policies are valid, and which messages they let
    through."""

    def check(state: SNSBackend, value: Any, scope: str | None) -> None:
        if (reason := refusal(value, scope)) is not None:
            raise SNSInvalidParameter(f"Invalid parameter: {reason}")

    def matches(matcher: FilterPolicyMatcher, message_attributes: Any, message: str) -> bool:
        attributes = message_attributes or {}
        return lets_through(matcher.filter_policy, matcher.filter_policy_scope, attributes, message)

    state: Any = SNSBackend
    matcher: Any = FilterPolicyMatcher
    state._validate_filter_policy = check
    matcher.matches = matches
