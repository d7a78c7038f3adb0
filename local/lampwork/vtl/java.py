"""Values as Java has them: how they are written, compared and what methods they have.

API Gateway evaluates templates in Java. What is written of JSON was recorded there:
localstack/localstack, tests/aws/services/apigateway/test_apigateway_common.snapshot.json,
test_input_path_template_formatting.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final


class TemplateFailure(Exception):
    """A template that could be read but not rendered; the text says why."""


class JsonList(list[Any]):
    """A list that came from JSON: it is written as JSON, also where a map contains it."""


class ContextMap(dict[str, Any]):
    """A map of `$context`, such as `$context.identity`: it is written as nothing. Recorded on AWS:
    test_apigateway_sqs.snapshot.json, test_sqs_amz_json_protocol."""


def from_json(value: Any) -> Any:
    """A value that was read from JSON."""
    if isinstance(value, dict):
        return {name: from_json(each) for name, each in value.items()}
    if isinstance(value, list):
        return JsonList(map(from_json, value))
    return value


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=as_text)


def as_text(value: Any) -> str:
    """A value as a template writes it; nothing for null."""
    return "" if value is None else _text(value)


def _text(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float():
            return _float_text(value)
        case JsonList():
            return as_json(value)
        case ContextMap():
            return ""
        case list() | tuple():
            return f"[{', '.join(map(_text, value))}]"
        case Mapping():
            return f"{{{', '.join(f'{_text(k)}={_text(v)}' for k, v in value.items())}}}"
        case _:
            return str(value)


def _float_text(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e7 or not math.isfinite(value):
        return repr(value)
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    first, *rest = map(str, digits)
    power = len(rest) + int(exponent)
    return f"{'-' if sign else ''}{first}.{''.join(rest) or '0'}E{power}"


def is_true(value: object) -> bool:
    """Whether a condition holds: only null and false do not."""
    return value is not None and value is not False


def are_equal(left: Any, right: Any) -> bool:
    """Null equals an empty text (recorded). Values of different kinds are compared as text."""
    if left is None or right is None:
        return as_text(left) == as_text(right) == ""
    if _is_number(left) and _is_number(right):
        return bool(left == right)
    if type(left) is type(right):
        return bool(left == right)
    return as_text(left) == as_text(right)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def calculated(operator: str, left: Any, right: Any) -> Any:
    """+ - * / % of numbers, and + of texts. As in Java, whole numbers are divided without a
    remainder; what cannot be calculated is null."""
    if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
        return as_text(left) + as_text(right)
    if not (_is_number(left) and _is_number(right)):
        return None
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
    if right == 0:
        return None
    whole = isinstance(left, int) and isinstance(right, int)
    if operator == "/":
        return int(left / right) if whole else left / right
    return int(math.fmod(left, right)) if whole else math.fmod(left, right)


def is_ordered(operator: str, left: Any, right: Any) -> bool:
    """< <= > >= of two numbers or two texts; false for anything else."""
    both_text = isinstance(left, str) and isinstance(right, str)
    if not both_text and not (_is_number(left) and _is_number(right)):
        return False
    match operator:
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case _:
            return bool(left >= right)


class Entry:
    """One pair of a map, as `entrySet` gives it."""

    def __init__(self, key: Any, value: Any) -> None:
        self.key = key
        self.value = value


def property_of(value: Any, name: str) -> Any:
    """$value.name; null where there is none."""
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, Entry):
        return {"key": value.key, "value": value.value}.get(name)
    if reads := getattr(value, "read_property", None):
        return reads(name)
    return call(value, "isEmpty", []) if name == "empty" else None


def call(value: Any, name: str, arguments: list[Any]) -> Any:
    """$value.name(…); null where a value has no such method, as Velocity does."""
    if calls := getattr(value, "call_method", None):
        return calls(name, arguments)
    methods = _methods_of(value)
    method = methods.get(name) or EVERY.get(name)
    if method is None:
        return None
    try:
        return method(value, *arguments)
    except (TypeError, ValueError, IndexError, AttributeError, re.error):
        return None


def item_of(value: Any, key: Any) -> Any:
    """$value[key]; null where there is none."""
    if isinstance(value, list):
        return call(value, "get", [key])
    return property_of(value, as_text(key))


def items_of(value: Any) -> list[Any]:
    """What #foreach goes through: a list, or a map's values."""
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def _methods_of(value: Any) -> Mapping[str, Callable[..., Any]]:
    match value:
        case bool():
            return {}
        case str():
            return STRINGS
        case list():
            return LISTS
        case Mapping():
            return MAPS
        case Entry():
            return ENTRIES
        case int() | float():
            return NUMBERS
        case _:
            return {}


def _replacement(java: str) -> str:
    """A replacement of Java's replaceAll, which writes groups as $1, as Python writes it."""

    def written(part: re.Match[str]) -> str:
        return f"\\g<{part[2]}>" if part[2] else part[1].replace("\\", "\\\\")

    return re.sub(r"\\(.)|\$(\d)", written, java)


def _replace_all(text: str, pattern: str, replacement: str, count: int = 0) -> str:
    try:
        return re.sub(pattern, _replacement(replacement), text, count=count)
    except re.error:
        # Templates undo escapes by replaceAll("\\'", "'"), whose pattern Java reads as an escaped
        # quote; nothing else is lost where Python cannot read a pattern.
        return text.replace(pattern, replacement)


def _split(text: str, pattern: str, limit: int = 0) -> list[str]:
    parts = re.split(pattern, text, maxsplit=max(limit - 1, 0))
    while limit == 0 and len(parts) > 1 and not parts[-1]:  # as Java does
        parts.pop()
    return parts


def _put(mapping: dict[Any, Any], key: Any, value: Any) -> Any:
    before = mapping.get(key)
    mapping[key] = value
    return before


def _at(items: list[Any], index: Any) -> Any:
    index = int(index)
    return items[index] if 0 <= index < len(items) else None


def _add(items: list[Any], *arguments: Any) -> bool | None:
    if len(arguments) == 2:
        items.insert(int(arguments[0]), arguments[1])
        return None
    items.append(*arguments)
    return True


def _set_item(items: list[Any], index: Any, value: Any) -> Any:
    before = items[int(index)]
    items[int(index)] = value
    return before


def _remove(items: list[Any], item: Any) -> Any:
    if isinstance(item, int):
        return items.pop(item) if 0 <= item < len(items) else None
    if item in items:
        items.remove(item)
        return True
    return False


def _extend(items: list[Any], more: Any) -> bool:
    items.extend(items_of(more))
    return True


EVERY: Final[Mapping[str, Callable[..., Any]]] = {
    "toString": as_text,
    "equals": lambda value, other: type(value) is type(other) and value == other,
    "hashCode": lambda value: hash(as_text(value)),
}
STRINGS: Final[Mapping[str, Callable[..., Any]]] = {
    "length": len,
    "isEmpty": lambda text: not text,
    "isBlank": lambda text: not text.strip(),
    "trim": str.strip,
    "strip": str.strip,
    "toLowerCase": str.lower,
    "toUpperCase": str.upper,
    "contains": lambda text, part: as_text(part) in text,
    "startsWith": lambda text, part: text.startswith(part),
    "endsWith": lambda text, part: text.endswith(part),
    "indexOf": lambda text, part, *begin: text.find(part, *begin),
    "lastIndexOf": lambda text, part: text.rfind(part),
    "charAt": lambda text, index: text[int(index)],
    "concat": lambda text, other: text + as_text(other),
    "substring": lambda text, begin, *end: text[int(begin) : int(end[0]) if end else None],
    "replace": lambda text, old, new: text.replace(as_text(old), as_text(new)),
    "replaceAll": lambda text, pattern, new: _replace_all(text, pattern, as_text(new)),
    "replaceFirst": lambda text, pattern, new: _replace_all(text, pattern, as_text(new), 1),
    "split": _split,
    "matches": lambda text, pattern: re.fullmatch(pattern, text) is not None,
    "equalsIgnoreCase": lambda text, other: text.lower() == as_text(other).lower(),
    "compareTo": lambda text, other: (text > other) - (text < other),
    "repeat": lambda text, times: text * min(int(times), 10_000),
}
LISTS: Final[Mapping[str, Callable[..., Any]]] = {
    "size": len,
    "count": len,  # as AWS's reference of mapping templates says
    "length": len,
    "isEmpty": lambda items: not items,
    "get": _at,
    "set": _set_item,
    "add": _add,
    "addAll": _extend,
    "contains": lambda items, item: item in items,
    "indexOf": lambda items, item: items.index(item) if item in items else -1,
    "remove": _remove,
    "clear": lambda items: items.clear(),
    "subList": lambda items, begin, end: type(items)(items[int(begin) : int(end)]),
}
MAPS: Final[Mapping[str, Callable[..., Any]]] = {
    "size": len,
    "isEmpty": lambda mapping: not mapping,
    "get": lambda mapping, key: mapping.get(key),
    "getOrDefault": lambda mapping, key, other: mapping.get(key, other),
    "put": _put,
    "putAll": lambda mapping, other: mapping.update(other),
    "remove": lambda mapping, key: mapping.pop(key, None),
    "containsKey": lambda mapping, key: key in mapping,
    "containsValue": lambda mapping, value: value in mapping.values(),
    "keySet": lambda mapping: list(mapping),
    "values": lambda mapping: list(mapping.values()),
    "entrySet": lambda mapping: [Entry(*pair) for pair in mapping.items()],
}
ENTRIES: Final[Mapping[str, Callable[..., Any]]] = {
    "getKey": lambda entry: entry.key,
    "getValue": lambda entry: entry.value,
}
NUMBERS: Final[Mapping[str, Callable[..., Any]]] = {
    "intValue": int,
    "longValue": int,
    "doubleValue": float,
    "compareTo": lambda number, other: (number > other) - (number < other),
    # $number.parseInt("1") calls a static method of Integer.
    "parseInt": lambda number, text: int(text),
    "parseDouble": lambda number, text: float(text),
    "valueOf": lambda number, text: int(text) if isinstance(number, int) else float(text),
}
