"""The filter policies of SNS's subscriptions. Their patterns are those of EventBridge; what they
look at and how large they may be is SNS's own.

https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lampwork.events.event_patterns.fields import Members, Number, parse_json
from lampwork.events.event_patterns.operators import BadPattern
from lampwork.events.event_patterns.pattern import EventPattern

OF_THE_BODY: Final = "MessageBody"
# https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
MOST_NAMES: Final = 5
MOST_COMBINATIONS: Final = 150
NOT_NESTED: Final = "Filter policy scope MessageAttributes does not support nested filter policy"
TOO_MANY_NAMES: Final = "FilterPolicy: Filter policy can not have more than 5 keys"
TOO_COMPLEX: Final = "FilterPolicy: Filter policy is too complex"


def refusal(policy: Mapping[str, Any], scope: str | None) -> str | None:
    """Why SNS would refuse a policy, in its words; None if it would not. LocalStack recorded them:

    https://github.com/localstack/localstack/blob/main/tests/aws/services/sns/test_sns_filter_policy.snapshot.json
    """
    if not policy:  # it lets everything through
        return None
    if scope != OF_THE_BODY and any(isinstance(each, Mapping) for each in policy.values()):
        return NOT_NESTED
    if len(policy) > MOST_NAMES:
        return TOO_MANY_NAMES
    try:
        EventPattern.parse(json.dumps(policy))
    except BadPattern as error:
        return f"Attributes Reason: FilterPolicy: {error}"
    combinations = 1
    for number in _factors(policy, 1):
        combinations *= number
    return TOO_COMPLEX if combinations > MOST_COMBINATIONS else None


def lets_through(
    policy: Mapping[str, Any],
    scope: str | None,
    attributes: Mapping[str, Mapping[str, Any]],
    message: str,
) -> bool:
    """Whether a policy lets a message through. Each of the `attributes` has a Type and a Value."""
    if not policy:
        return True
    pattern = EventPattern.parse(json.dumps(policy))
    if scope != OF_THE_BODY:
        return pattern.matches(dict(_as_event(attributes)))
    try:
        body = parse_json(message)
    except ValueError:
        return False
    return isinstance(body, Members) and pattern.matches(body)


def _factors(policy: Any, depth: int) -> Iterator[int]:
    for name, wanted in policy.items():
        if isinstance(wanted, Mapping):
            yield from _factors(wanted, depth + 1)
            continue
        yield len(wanted) * depth
        if name == "$or":
            for each in wanted:
                yield from _factors(each, depth + 1)


def _as_event(attributes: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The attributes as the fields of an event. SNS does not look at binary ones."""
    for name, attribute in attributes.items():
        value = attribute["Value"]
        match str(attribute["Type"]).partition(".")[::2]:
            case "Number", _:
                yield name, Number(str(value))
            case "String", "Array":
                yield name, _list(str(value))
            case "String", _:
                yield name, str(value)


def _list(text: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        return text
