"""What event patterns mean, which AWS documents and event-ruler implements.

* [docs] https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
* [ruler] https://github.com/aws/event-ruler, its guide and its tests
* [seen] patterns that LocalStack ran on AWS:
  https://github.com/localstack/localstack/tree/main/tests/aws/services/events
"""

import json
from typing import Any

import pytest

from lampwork.events.event_patterns.fields import parse_json
from lampwork.events.event_patterns.operators import BadPattern
from lampwork.events.event_patterns.pattern import EventPattern
from lampwork.events.event_patterns.wildcards import complexity, parse_wildcard


def matches(pattern: Any, event: Any) -> bool:
    """Both may be given as JSON, to say how a number is written or to repeat a key."""
    text = pattern if isinstance(pattern, str) else json.dumps(pattern)
    content = event if isinstance(event, str) else json.dumps(event)
    return EventPattern.parse(text).matches(parse_json(content))


def fits(comparison: Any, value: Any) -> bool:
    """Whether a field with this value satisfies one comparison."""
    return matches({"a": [comparison]}, {"a": value})


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        # [docs] A value is equal only to a value of its own type.
        ("x", "x", True),
        ("1", 1, False),
        (1, "1", False),
        (True, 1, False),
        (True, True, True),
        (None, None, True),
        (None, "null", False),
        (None, "", False),
        ("", "", True),
        # [seen] A list matches if one of its elements does, and an empty one has none.
        ("x", ["y", "x"], True),
        (None, [], False),
        ("x", [["y"], ["x"]], True),
        # [docs]
        ({"prefix": "ab"}, "abc", True),
        ({"prefix": "ab"}, "ABC", False),
        ({"prefix": ""}, "anything", True),  # [seen]
        ({"prefix": "1"}, 12, False),  # [ruler] only texts
        ({"prefix": {"equals-ignore-case": "AB"}}, "abc", True),
        ({"suffix": "bc"}, "abc", True),
        ({"suffix": ""}, "anything", True),  # [seen]
        ({"suffix": {"equals-ignore-case": "BC"}}, "abc", True),
        ({"suffix": {"equals-ignore-case": "BC"}}, "ab", False),
        ({"equals-ignore-case": "Abc"}, "aBC", True),
        ({"equals-ignore-case": ""}, "", True),  # [seen]
        ({"exactly": "x"}, "x", True),  # [ruler]
        ({"exists": True}, None, True),
        ({"exists": True}, [], False),  # [seen]
        ({"exists": False}, "x", False),
        ({"exists": False}, [], True),
        ({"exists": False}, {"b": 1}, True),  # [ruler] Only a leaf exists.
    ],
)
def test_a_field_satisfies_a_comparison(comparison: Any, value: Any, expected: bool) -> None:
    assert fits(comparison, value) is expected


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        ("x", "y", True),
        ("x", "x", False),
        (["x", "y"], "y", False),
        (123, 123, False),
        (123, 123.0, False),
        ([1, 2], "1", True),
        ("1", 1, True),
        ("x", None, True),  # [seen]
        ("x", ["x", "y"], True),
        ("x", ["x"], False),
        ({"prefix": "x"}, "xy", False),
        ({"prefix": ["x", "a"]}, "ab", False),
        ({"prefix": "x"}, None, True),  # [seen]
        ({"prefix": "1"}, 123, True),  # [seen]
        ({"suffix": "y"}, "xy", False),
        ({"suffix": [".txt", ".rtf"]}, "a.png", True),
        ({"equals-ignore-case": "x"}, "X", False),
        ({"equals-ignore-case": ["x", "y"]}, "z", True),
        ({"wildcard": "*/lib/*"}, "a/lib/b", False),
        ({"wildcard": ["*.jar", "*.class"]}, "a.py", True),
        ({"wildcard": "*/lib/*"}, 123, True),  # [seen]
        ({"wildcard": ""}, "a", True),  # [seen]
    ],
)
def test_anything_but_lets_every_other_value_pass(
    comparison: Any, value: Any, expected: bool
) -> None:
    assert fits({"anything-but": comparison}, value) is expected


def test_anything_but_asks_for_a_field_that_is_there() -> None:  # [seen]
    assert not matches({"a": [{"anything-but": "x"}]}, {"b": 1})


@pytest.mark.parametrize(
    ("range", "value", "expected"),
    [
        ([">", 0, "<=", 5], "0", False),
        ([">", 0, "<=", 5], "5", True),
        ([">=", 0, "<", 5], "0", True),
        (["=", 3.018e2], "301.8", True),
        (["<", 0], "-1e-7", True),
        ([">", 100], "101.0", True),
        ([">", 100], '"101"', False),  # [seen] only numbers
        ([">", 100], "null", False),  # [seen]
    ],
)
def test_a_number_lies_in_a_range(range: list[Any], value: str, expected: bool) -> None:
    assert matches({"a": [{"numeric": range}]}, f'{{"a": {value}}}') is expected


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("300", "300.0", True),  # [seen]
        ("300", "3.0e2", True),
        ("300", '"300"', False),
        # [ruler] What a double cannot hold exactly is compared as it is written.
        ("0.1234567890123456789", "0.1234567890123456789", True),
        ("0.1234567890123456789", "0.1234567890123456", False),
        ("12345678901234567891", "12345678901234567892", False),
    ],
)
def test_numbers_are_compared_as_doubles(pattern: str, value: str, expected: bool) -> None:
    assert matches(f'{{"a": [{pattern}]}}', f'{{"a": {value}}}') is expected


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        ({"cidr": "10.0.0.0/24"}, "10.0.0.255", True),
        ({"cidr": "10.0.0.0/24"}, "10.0.1.0", False),
        ({"cidr": "10.0.0.7/24"}, "10.0.0.1", True),
        ({"cidr": "2001:db8::/32"}, "2001:0db8::1", True),
        ({"cidr": "2001:db8::/32"}, "10.0.0.1", False),
        ({"cidr": "10.0.0.0/24"}, "bad", False),  # [seen]
        ({"cidr": "10.0.0.0/24"}, 10, False),
        ("2001:db8::1", "2001:0db8:0:0::1", True),  # [ruler] the same address
        ("10.0.0.1", "10.0.0.001", True),
        ("10.0.0.1", "10.0.0.2", False),
    ],
)
def test_addresses_are_compared_as_addresses(comparison: Any, value: Any, expected: bool) -> None:
    assert fits(comparison, value) is expected


@pytest.mark.parametrize(
    ("wildcard", "value", "expected"),
    [
        ("a*c", "abbc", True),
        ("a*c", "ac", True),
        ("a*c", "ab", False),
        ("*", "", True),
        ("", "", True),
        ("", "a", False),  # [seen]
        (r"a\*c", "a*c", True),
        (r"a\*c", "abc", False),
        (r"a\\*", "a\\b", True),
        ("a*c", "a\nc", True),
        ("a.c", "abc", False),
    ],
)
def test_an_asterisk_stands_for_any_text(wildcard: str, value: str, expected: bool) -> None:
    assert fits({"wildcard": wildcard}, value) is expected


@pytest.mark.parametrize(
    ("pattern", "event", "expected"),
    [
        # [docs] All fields must match; one of the values of a field is enough.
        ({"a": [1, 2], "b": [3]}, {"a": 2, "b": 3}, True),
        ({"a": [1, 2], "b": [3]}, {"a": 2}, False),
        ({"a": {"b": [1]}}, {"a": {"b": 1, "c": 2}}, True),
        ({"a": {"b": [1]}}, {"a": [1]}, False),
        # [seen] A name with dots is the path of the same names.
        ({"a.b": [1]}, {"a": {"b": 1}}, True),
        ({"a": {"b": [1]}}, {"a.b": 1}, True),
        # [seen] Names are compared with their case.
        ({"A": [1]}, {"a": 1}, False),
        # [docs]
        ({"$or": [{"a": [1]}, {"b": [2]}]}, {"b": 2}, True),
        ({"$or": [{"a": [1]}, {"b": [2]}]}, {"a": 2, "b": 1}, False),
        ({"c": [3], "$or": [{"a": [1]}, {"b": [2]}]}, {"a": 1}, False),
        ({"$or": [{"a": [1], "b": [1]}, {"b": [2]}]}, {"a": 1, "b": 2}, True),
        ({"x": {"$or": [{"a": [1]}, {"b": [2]}]}, "$or": [{"c": [1]}, {"d": [1]}]},
         {"x": {"b": 2}, "d": 1}, True),
        # [seen] A field that is not there satisfies `exists: false`, its parent there or not.
        ({"a": {"b": [{"anything-but": ["x"]}, {"exists": False}]}}, {"a": {"c": 1}}, True),
        ({"a": {"b": [{"anything-but": ["x"]}, {"exists": False}]}}, {}, True),
    ],
)  # fmt: skip
def test_an_event_matches_if_all_fields_of_one_alternative_do(
    pattern: Any, event: Any, expected: bool
) -> None:
    assert matches(pattern, event) is expected


@pytest.mark.parametrize(
    ("elements", "expected"),
    [
        ([{"first": "Ann", "last": "Lee"}], True),
        ([{"first": "Ann", "last": "Ray"}, {"first": "Bob", "last": "Lee"}], False),
        ([{"first": "Ann", "last": ["Ray", "Lee"]}, {"first": "Bob"}], True),
        ([[{"first": "Ann"}], [{"last": "Lee"}]], False),
    ],
)
def test_the_fields_must_not_come_from_different_elements_of_a_list(
    elements: Any, expected: bool
) -> None:
    # https://github.com/aws/event-ruler#json-text-matching "array consistency"
    pattern = {"people": {"first": ["Ann"], "last": ["Lee"]}}

    assert matches(pattern, {"people": elements}) is expected


def test_the_last_of_equal_keys_counts() -> None:  # [seen]
    assert matches('{"a": ["x"], "a": ["y"]}', {"a": "y"})
    assert not matches('{"a": ["x"], "a": ["y"]}', {"a": "x"})


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        # [seen] in these words
        (["a"], "Filter is not an object"),
        ({}, "Empty objects are not allowed"),
        ({"a": {}}, "Empty objects are not allowed"),
        ({"a": []}, "Empty arrays are not allowed"),
        ({"a": "x"}, '"a" must be an object or an array'),
        ({"a": 42}, '"a" must be an object or an array'),
        ({"a": [["x"]]}, "Match value must be String, number, true, false, or null"),
        ({"a": [{"EXISTS": True}]}, "Unrecognized match type EXISTS"),
        ({"a": [{}]}, "Match expression name not found"),
        ({"a": [{"exists": "true"}]}, "exists match pattern must be either true or false."),
        ({"a": [{"prefix": 5}]}, "prefix match pattern must be a string"),
        ({"a": [{"prefix": ["x"]}]}, "prefix match pattern must be a string"),
        ({"a": [{"prefix": {"wildcard": "x"}}]}, "Unsupported prefix pattern: wildcard"),
        ({"a": [{"prefix": "x", "suffix": "y"}]}, "Only one key allowed in match expression"),
        ({"a": [{"suffix": 5}]}, "suffix match pattern must be a string"),
        ({"a": [{"equals-ignore-case": ["x"]}]},
         "equals-ignore-case match pattern must be a string"),
        ({"a": [{"wildcard": 5}]}, "wildcard match pattern must be a string"),
        ({"a": [{"wildcard": "a**b"}]}, "Consecutive wildcard characters at pos 2"),
        ({"a": [{"wildcard": r"a\b"}]}, "Invalid escape character at pos 2"),
        ({"a": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}, "Rule is too complex - try using fewer"),
        ({"a": [{"numeric": 10}]}, "Value of numeric must be an array."),
        ({"a": [{"numeric": [">", 0, ">", 0]}]}, "Bad numeric range operator: >"),
        ({"a": [{"numeric": [">", 0, "<"]}]}, "Value of < must be numeric"),
        ({"a": [{"numeric": ["=", "1"]}]}, "Value of equals must be numeric"),
        ({"a": [{"numeric": ["==", 1]}]}, "Unrecognized numeric range operator: =="),
        ({"a": [{"numeric": ["<", 1, ">", 0]}]}, "Too many elements in numeric expression"),
        ({"a": [{"numeric": [">", 5, "<", 5]}]}, "Bottom must be less than top"),
        ({"a": [{"numeric": []}]}, "Invalid member in numeric match: "),
        ('{"a": [{"numeric": ["=", 1E309]}]}', "Cannot compare number : 1E309"),
        ({"a": [{"cidr": ["x"]}]}, "prefix match pattern must be a string"),
        ({"a": [{"cidr": "10.0.0.0"}]}, "Malformed CIDR, one '/' required"),
        ({"a": [{"cidr": "10.0.0.0/x"}]}, "Malformed CIDR, mask bits must be an integer"),
        ({"a": [{"cidr": "10.0.0.0/32"}]}, "IPv4 mask bits must be < 32"),
        ({"a": [{"cidr": "xx.11.xx/8"}]}, "Nonstandard IP address: xx.11.xx"),
        ({"a": [{"anything-but": None}]},
         "Value of anything-but must be an array or single string/number value."),
        ({"a": [{"anything-but": ["x", None]}]},
         "Inside anything but list, start|null|boolean is not supported."),
        ({"a": [{"anything-but": ["x", 1]}]}, "mixed type is not supported"),
        ({"a": [{"anything-but": []}]}, "mixed type is not supported"),
        ({"a": [{"anything-but": {"exists": True}}]}, "Unsupported anything-but pattern: exists"),
        ({"a": [{"anything-but": {"prefix": ""}}]}, "Null prefix/suffix not allowed"),
        ({"a": [{"anything-but": {"suffix": [1]}}]},
         "prefix/suffix match pattern must be a string"),
        ({"a": [{"anything-but": {"prefix": {"equals-ignore-case": "x"}}}]},
         "Value of anything-but must be an array or single string/number value."),
        ({"a": [{"anything-but": {"equals-ignore-case": [1]}}]},
         "number|start|null|boolean is not supported."),
        # [ruler]
        ({"$or": {"a": [1]}}, "It must be an Array followed with $or."),
        ({"$or": [{"a": [1]}]}, "There must have at least 2 Objects in $or relationship."),
        ({"$or": [1, 2]}, "Only JSON object is allowed in array of $or relationship."),
        ({"$or": [{"prefix": ["a"]}, {"b": [1]}]},
         "prefix is Ruler reserved fieldName which cannot be used inside $or."),
        ("not json", "Expecting value at line 1, column 1"),
        ('{"a": [NaN]}', "NaN is not JSON"),
    ],
)  # fmt: skip
def test_a_pattern_that_aws_refuses_is_refused(pattern: Any, reason: str) -> None:
    with pytest.raises(BadPattern) as refusal:
        EventPattern.parse(pattern if isinstance(pattern, str) else json.dumps(pattern))

    assert reason in str(refusal.value)


@pytest.mark.parametrize(
    ("wildcards", "prefixes"),
    [
        (["*"], 1),
        (["*ab"], 2),
        (["*aa"], 3),
        (["a*b*bb"], 5),
        (["*ab*ad"], 4),
        (["*ab*b*b*"], 7),
        (["a*bc", "abc*d"], 4),
        (["a*aaa", "aa*aa"], 7),
        (["ab*cd", "ab*wx", "ab*yz"], 6),
    ],
)
def test_the_complexity_of_wildcards_is_what_event_ruler_counts(
    wildcards: list[str], prefixes: int
) -> None:
    # https://github.com/aws/event-ruler/blob/main/src/test/software/amazon/event/ruler/MachineComplexityEvaluatorTest.java
    assert complexity([parse_wildcard(each) for each in wildcards], most=100) == prefixes


def test_the_complexity_of_the_worst_wildcards_is_found_at_once() -> None:
    worst = "*".join("ab" * 40)

    assert complexity([parse_wildcard(worst)] * 3, most=10) > 10
