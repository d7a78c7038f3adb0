import json
from collections.abc import Mapping
from typing import Any

from shared.errors import MalformedJson, Unprocessable

# The largest integer that every reader of JSON gets as it was written: JavaScript, for one, reads
# numbers as doubles (RFC 8259 section 6, RFC 7493 section 2.2).
MAX_EXACT_INTEGER = 2**53 - 1
# Python's own limit is that of its stack, which belongs to whoever set it last.
MAX_DEPTH = 100


def loads(body: bytes) -> Any:
    """Parse JSON that follows RFC 8259 and that a database can store.

    Raises:
        MalformedJson: not UTF-8, NaN or Infinity, a name given twice, nested too deeply.
        Unprocessable: a string with NUL or half a surrogate pair.
    """
    try:
        value = json.loads(
            body.decode("utf-8"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique_names,
        )
        _check_strings(value)
    except (ValueError, RecursionError):  # ValueError: also an integer of thousands of digits
        raise MalformedJson from None
    return value


def exact(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members of an object, with integers that not every reader gets exactly as text."""
    return {name: _exact_number(value) for name, value in members.items()}


def _exact_number(value: Any) -> Any:
    return str(value) if isinstance(value, int) and abs(value) > MAX_EXACT_INTEGER else value


def _refuse_constant(name: str) -> None:
    raise MalformedJson(f"{name} is not a JSON number.")


def _unique_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise MalformedJson("An object has two members with the same name.")
    return members


def _check_strings(value: Any, place: tuple[str, ...] = ("body",)) -> None:
    if len(place) > MAX_DEPTH:
        raise MalformedJson(f"Lists and objects are nested more than {MAX_DEPTH} deep.")
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise _unkeepable(place)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _check_strings(item, (*place, str(number)))
    elif isinstance(value, dict):
        for name, item in value.items():
            _check_strings(name, place)
            _check_strings(item, (*place, name))


def _unkeepable(place: tuple[str, ...]) -> Unprocessable:
    message = "A string contains NUL or half a surrogate pair."
    return Unprocessable(message, errors=[{"loc": place, "msg": message, "type": "value_error"}])
