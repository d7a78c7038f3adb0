"""The fields of an event, as patterns see them: flat names, each with the values that it has.

A list is not a value: its elements are. Each value remembers in which element of which list it
lies, because the fields that satisfy a pattern must not come from different elements of one list.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, Final


@dataclass(frozen=True)
class Number:
    """A number as it is written in JSON."""

    text: str

    @cached_property
    def comparable(self) -> float | None:
        """The number as a double, if a double holds exactly what is written; else None.

        https://github.com/aws/event-ruler#numeric-matching
        """
        as_double = float(self.text)
        written = Decimal(self.text)
        return as_double if Decimal(repr(as_double)) == written else None


Scalar = str | bool | Number | None

Place = frozenset[tuple[int, int]]
"""Where a value lies: the lists around it, by number, each with the index of its element."""


class Members(tuple[tuple[str, Any], ...]):
    """A JSON object as it is written. It may have the same key more than once."""


@dataclass(frozen=True, slots=True)
class Value:
    content: Scalar
    place: Place


Fields = Mapping[str, tuple[Value, ...]]


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=Members, parse_int=Number, parse_float=Number, parse_constant=_refuse
)


def parse_json(text: str) -> Any:
    """The content of a JSON text, in which objects are `Members` and numbers are `Number`.

    Raises:
        ValueError: the text is not JSON.
    """
    return _DECODER.decode(text)


def fields_of(event: Any) -> Fields:
    """The fields of an event: a dictionary, or what `parse_json` returns.

    An event that is not an object has none.
    """
    return _Collector().fields_of(event)


@dataclass(slots=True)
class _Collector:
    _found: dict[str, list[Value]] = field(default_factory=dict)
    _lists: int = 0

    def fields_of(self, event: Any) -> Fields:
        self._add_object(event, (), frozenset())
        return {name: tuple(dict.fromkeys(values)) for name, values in self._found.items()}

    def _add_object(self, content: Any, path: tuple[str, ...], place: Place) -> None:
        for name, value in _members(content):
            self._add((*path, name), value, place)

    def _add(self, path: tuple[str, ...], value: Any, place: Place) -> None:
        if isinstance(value, Mapping | Members):
            self._add_object(value, path, place)
        elif isinstance(value, list):
            self._lists += 1
            number = self._lists
            for index, element in enumerate(value):
                self._add_element(path, element, place, (number, index))
        else:
            self._found.setdefault(".".join(path), []).append(Value(_scalar(value), place))

    def _add_element(
        self, path: tuple[str, ...], element: Any, place: Place, lies_in: tuple[int, int]
    ) -> None:
        # Which element a plain value is does not matter: only objects hold several fields.
        is_nested = isinstance(element, Mapping | Members | list)
        self._add(path, element, place | {lies_in} if is_nested else place)


def _members(content: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(content, Mapping):
        yield from content.items()
    elif isinstance(content, Members):
        yield from content


def _scalar(value: Any) -> Scalar:
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return Number(str(value))
    scalar: Scalar = value
    return scalar
