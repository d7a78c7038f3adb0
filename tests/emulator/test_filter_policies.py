"""SNS's filter policies.

* https://docs.aws.amazon.com/sns/latest/dg/string-value-matching.html
* https://docs.aws.amazon.com/sns/latest/dg/attribute-key-matching.html
* [seen] recorded on AWS by LocalStack:
  https://github.com/localstack/localstack/blob/main/tests/aws/services/sns/test_sns_filter_policy.snapshot.json
"""

import json
from typing import Any

import pytest

from lampwork.events.filter_policies import lets_through, refusal

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "store": {"Type": "String", "Value": "shop"},
    "price": {"Type": "Number", "Value": "100.50"},
    "interests": {"Type": "String.Array", "Value": '["rugby", "tennis", true, null, 5]'},
    "picture": {"Type": "Binary", "Value": b"\x00"},
}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({}, True),
        ({"store": ["shop", "other"]}, True),
        ({"store": [{"anything-but": "shop"}]}, False),
        ({"store": [{"prefix": "sh"}], "price": [{"numeric": [">", 100]}]}, True),
        ({"price": [100.5]}, True),
        ({"price": ["100.50"]}, False),
        ({"interests": ["tennis"]}, True),
        ({"interests": [True]}, True),
        ({"interests": [{"numeric": ["=", 5]}]}, True),
        ({"interests": [{"anything-but": ["rugby"]}]}, True),
        ({"gone": [{"exists": False}]}, True),
        ({"store": [{"exists": False}]}, False),
        ({"picture": [{"exists": True}]}, False),
        ({"$or": [{"store": ["other"]}, {"price": [{"numeric": ["<", 200]}]}]}, True),
        ({"store": [{"equals-ignore-case": "SHOP"}]}, True),
    ],
)
def test_a_policy_looks_at_the_attributes(policy: Any, expected: bool) -> None:
    assert lets_through(policy, None, ATTRIBUTES, "text") is expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ('{"order": {"kind": "sale", "total": 5}}', True),
        ('{"order": [{"kind": "sale"}, {"total": 5}]}', False),
        ('{"order": {"kind": "gift", "total": 5}}', False),
        ("no json", False),
        ('["sale"]', False),
    ],
)
def test_a_policy_may_look_into_the_body(message: str, expected: bool) -> None:
    policy = {"order": {"kind": ["sale"], "total": [{"numeric": [">", 1]}]}}

    assert lets_through(policy, "MessageBody", {}, message) is expected


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        # [seen]
        ({"key": [["value"]]}, "Match value must be String, number, true, false, or null"),
        ({"key": [{"wrong-operator": True}]}, "Unrecognized match type wrong-operator"),
        ({"key": [{"suffix": "v", "prefix": "w"}]}, "Only one key allowed in match expression"),
        ({"key": []}, "Empty arrays are not allowed"),
        ({"key": [{"cidr": "bad-filter/64"}]}, "Nonstandard IP address: bad-filter"),
        ({"key": [{"numeric": ["<", 100, ">", 10]}]}, "Too many elements in numeric expression"),
        ({"key": [{"numeric": [">", 20, 30]}]}, "Bad value in numeric range: 30"),
        ({"key": [{"exists": None}]}, "exists match pattern must be either true or false."),
    ],
)
def test_a_policy_that_aws_refuses_is_refused_in_its_words(policy: Any, reason: str) -> None:
    assert refusal(policy, None) == f"Attributes Reason: FilterPolicy: {reason}"


def test_a_policy_has_sns_own_limits() -> None:
    # https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html
    nested = {"a": {"b": ["c"]}}
    names = {name: ["x"] for name in "abcdef"}
    values = [str(number) for number in range(13)]

    assert "does not support nested" in str(refusal(nested, None))
    assert refusal(nested, "MessageBody") is None
    assert "more than 5 keys" in str(refusal(names, None))
    assert "too complex" in str(refusal({"a": values, "b": values}, None))
    assert refusal(json.loads("{}"), None) is None
