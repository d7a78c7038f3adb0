"""Event patterns: of EventBridge's rules, of the filters of event source mappings and of pipes.

What they mean is documented by EventBridge and by event-ruler, which AWS runs. The words of a
refusal are those that AWS was seen to send.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern.html
https://github.com/aws/event-ruler
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from lampwork.events.event_patterns.fields import Fields, Members, Place, fields_of, parse_json
from lampwork.events.event_patterns.operators import (
    OPERATORS,
    BadPattern,
    Comparison,
    comparison_of,
)
from lampwork.events.event_patterns.wildcards import LARGEST_COMPLEXITY, complexity

OR: Final = "$or"
# Names that a field within $or may not have: those of comparisons, and some kept for later ones.
# https://github.com/aws/event-ruler#the-or-primitive
RESERVED: Final = (
    OPERATORS.keys()
    | {"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case"}
    | {"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"}
    | {"ip-address-in-range", "ip-address-not-in-range"}
)
TOO_COMPLEX: Final = (
    "Rule is too complex - try using fewer wildcard characters or fewer repeating character"
    " sequences after a wildcard character"
)

Alternative = Mapping[str, tuple[Comparison, ...]]
"""What all named fields must satisfy: each of them one of its comparisons."""


@dataclass(frozen=True, slots=True)
class EventPattern:
    """A pattern that AWS would accept. An event matches if it satisfies one of the alternatives;
    there are several if the pattern has an `$or`."""

    _alternatives: tuple[Alternative, ...]

    @classmethod
    def parse(cls, text: str) -> "EventPattern":
        """
        Raises:
            BadPattern: AWS would refuse the pattern; the text says why.
        """
        return _parsed(text)

    def matches(self, event: Any) -> bool:
        """Whether an event matches: a dictionary, or what `parse_json` returns."""
        fields = fields_of(event)
        return any(_satisfies(fields, each) for each in self._alternatives)


@lru_cache(maxsize=1024)
def _parsed(text: str) -> EventPattern:
    try:
        content = parse_json(text)
    except json.JSONDecodeError as error:
        raise BadPattern(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except ValueError as error:
        raise BadPattern(str(error)) from error
    if not isinstance(content, Members):
        raise BadPattern("Filter is not an object")
    alternatives = _with_members([], "", content, within_or=False)
    if any(_is_too_complex(each) for one in alternatives for each in one.values()):
        raise BadPattern(TOO_COMPLEX)
    return EventPattern(tuple(alternatives))


def _with_members(
    alternatives: list[Alternative], path: str, content: Members, *, within_or: bool
) -> list[Alternative]:
    """The alternatives, each with what the members of an object ask for as well."""
    if not content:
        raise BadPattern("Empty objects are not allowed")
    for name, wanted in content:
        if name == OR:
            alternatives = _either(alternatives, path, wanted)
            continue
        if within_or and name in RESERVED:
            raise BadPattern(
                f"{name} is Ruler reserved fieldName which cannot be used inside {OR}."
            )
        inner = f"{path}.{name}" if path else name
        if isinstance(wanted, Members):
            alternatives = _with_members(alternatives, inner, wanted, within_or=within_or)
        elif isinstance(wanted, list):
            comparisons = tuple(map(comparison_of, wanted))
            if not comparisons:
                raise BadPattern("Empty arrays are not allowed")
            alternatives = [{**each, inner: comparisons} for each in alternatives or [{}]]
        else:
            raise BadPattern(f'"{name}" must be an object or an array')
    return alternatives


def _either(alternatives: list[Alternative], path: str, choices: Any) -> list[Alternative]:
    if not isinstance(choices, list):
        raise BadPattern(f"It must be an Array followed with {OR}.")
    found: list[Alternative] = []
    for choice in choices:
        if not isinstance(choice, Members):
            raise BadPattern(f"Only JSON object is allowed in array of {OR} relationship.")
        found += _with_members(list(alternatives), path, choice, within_or=True)
    if len(choices) < 2:
        raise BadPattern(f"There must have at least 2 Objects in {OR} relationship.")
    return found


def _is_too_complex(comparisons: Iterable[Comparison]) -> bool:
    wildcards = dict.fromkeys(wildcard for each in comparisons for wildcard in each.wildcards)
    return complexity(tuple(wildcards), LARGEST_COMPLEXITY) > LARGEST_COMPLEXITY


def _satisfies(fields: Fields, alternative: Alternative) -> bool:
    """Whether each field satisfies one of its comparisons, by values that lie in no two elements of
    one list."""
    places: set[Place] = {frozenset()}
    for name, comparisons in alternative.items():
        places = {
            together
            for place in places
            for found in _places(fields, name, comparisons)
            if (together := _together(place, found)) is not None
        }
        if not places:
            return False
    return True


def _places(fields: Fields, name: str, comparisons: tuple[Comparison, ...]) -> set[Place]:
    """Where the values lie that satisfy one of the comparisons of a field."""
    values = fields.get(name)
    if values is None:
        return {frozenset()} if any(each.wants_absence for each in comparisons) else set()
    return {
        value.place for value in values if any(each.test(value.content) for each in comparisons)
    }


def _together(one: Place, other: Place) -> Place | None:
    """Both places, if they lie in no two elements of one list."""
    both = one | other
    return both if len(dict(both)) == len(both) else None
