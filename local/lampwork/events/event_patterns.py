"""Event patterns of EventBridge rules and of the filters of event source mappings.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import ipaddress
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

ABSENT: Final = object()
COMPARISONS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(pattern: Mapping[str, Any], event: Any) -> bool:
    """Whether an event matches a pattern."""
    return all(_holds(key, wanted, event) for key, wanted in pattern.items())


def _holds(key: str, wanted: Any, event: Any) -> bool:
    if key == "$or":
        return any(matches(each, event) for each in wanted)
    value = event.get(key, ABSENT) if isinstance(event, Mapping) else ABSENT
    if isinstance(wanted, Mapping):
        return matches(wanted, {} if value is ABSENT else value)
    values = value if isinstance(value, list) and value else [value]
    return any(_fits(each, one) for each in wanted for one in values)


def _fits(rule: Any, value: Any) -> bool:
    if not isinstance(rule, Mapping):
        same = type(rule) is type(value) or (_is_number(rule) and _is_number(value))
        return same and bool(rule == value)
    ((name, argument),) = rule.items()
    if name == "exists":
        return bool(argument) == (value is not ABSENT)
    return value is not ABSENT and OPERATORS[name](argument, value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _anything_but(argument: Any, value: Any) -> bool:
    if isinstance(argument, Mapping):
        return not _fits(argument, value)
    refused = argument if isinstance(argument, list) else [argument]
    return not any(_fits(each, value) for each in refused)


def _numeric(argument: list[Any], value: Any) -> bool:
    bounds = zip(argument[::2], argument[1::2], strict=True)
    return _is_number(value) and all(COMPARISONS[sign](value, bound) for sign, bound in bounds)


def _affix(meets: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    def fits(argument: Any, value: Any) -> bool:
        if not isinstance(value, str):
            return False
        if isinstance(argument, Mapping):
            return meets(value.lower(), argument["equals-ignore-case"].lower())
        each = argument if isinstance(argument, list) else [argument]
        return any(meets(value, affix) for affix in each)

    return fits


def _ignoring_case(argument: Any, value: Any) -> bool:
    each = argument if isinstance(argument, list) else [argument]
    return isinstance(value, str) and value.lower() in {one.lower() for one in each}


def _wildcard(argument: Any, value: Any) -> bool:
    each = argument if isinstance(argument, list) else [argument]
    return isinstance(value, str) and any(
        re.fullmatch(_expression(one), value, re.DOTALL) for one in each
    )


def _expression(wildcard: str) -> str:
    r"""The regular expression for a wildcard: `*` matches anything, `\*` an asterisk."""
    parts = re.split(r"(\\.|\*)", wildcard)
    return "".join(".*" if part == "*" else re.escape(re.sub(r"^\\", "", part)) for part in parts)


def _cidr(argument: str, value: Any) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(argument)
    except ValueError:
        return False


OPERATORS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "anything-but": _anything_but,
    "cidr": _cidr,
    "equals-ignore-case": _ignoring_case,
    "numeric": _numeric,
    "prefix": _affix(str.startswith),
    "suffix": _affix(str.endswith),
    "wildcard": _wildcard,
}


def check(pattern: Any) -> None:
    """
    Raises:
        ValueError: AWS would refuse the pattern; the text says why.
    """
    if not isinstance(pattern, Mapping) or not pattern:
        raise ValueError(f"a pattern is a JSON object with at least one key, not {pattern!r}")
    for key, wanted in pattern.items():
        if key == "$or":
            for each in wanted:
                check(each)
        elif isinstance(wanted, Mapping):
            check(wanted)
        elif not isinstance(wanted, list) or not wanted:
            raise ValueError(f"{key!r} must be a list of allowed values, not {wanted!r}")
        else:
            _check_rules(wanted)


def _check_rules(rules: list[Any]) -> None:
    for rule in rules:
        if isinstance(rule, Mapping) and (len(rule) != 1 or not rule.keys() <= KNOWN):
            raise ValueError(f"{rule!r} must have one key of {', '.join(sorted(KNOWN))}")


KNOWN: Final = OPERATORS.keys() | {"exists"}
