"""Reads JSON by JSONPath, as far as mapping templates use it.

https://goessner.net/articles/JsonPath/ without scripts in brackets.
"""

import operator
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

PART: Final = re.compile(
    r"""\.\.(?P<deep>[\w$-]+|\*)?
    | \.(?P<name>[\w$-]+|\*)
    | \[\s*(?P<quoted>'[^']*'(?:\s*,\s*'[^']*')*|"[^"]*"(?:\s*,\s*"[^"]*")*)\s*\]
    | \[\s*(?P<star>\*)\s*\]
    | \[\s*(?P<indexes>-?\d+(?:\s*,\s*-?\d+)*)\s*\]
    | \[\s*(?P<slice>-?\d*:-?\d*(?::-?\d+)?)\s*\]
    | \[\?\(\s*@(?P<field>[^\s=!<>)]+)\s*
      (?:(?P<comparison>==|!=|<=|>=|<|>)\s*(?P<value>[^)]+?))?\s*\)\]
    """,
    re.VERBOSE,
)
QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")
COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
WORDS: Final[dict[str, object]] = {"true": True, "false": False, "null": None}


class PathError(Exception):
    """A path that is not one, or that this reader does not know."""


class Path(NamedTuple):
    """`definite` paths lead to one value, others to a list of values."""

    steps: tuple[Callable[[Any], Iterator[Any]], ...]
    definite: bool


def find(document: Any, path: str) -> Any:
    """What a path leads to: a value, None where there is none, or a list for a path with * and the
    like.

    Raises:
        PathError: the path cannot be read.
    """
    steps, definite = _compiled(path.strip())
    found = [document]
    for step in steps:
        found = [each for value in found for each in step(value)]
    if not definite:
        return found
    return found[0] if found else None


@lru_cache(maxsize=256)
def _compiled(path: str) -> Path:
    # Without $ a path begins at the root as well.
    rest = path[1:] if path.startswith("$") else f".{path}" if path[:1] not in "[." else path
    steps: list[Callable[[Any], Iterator[Any]]] = []
    definite, position = True, 0
    while position < len(rest):
        part = PART.match(rest, position)
        if part is None:
            raise PathError(f"{path!r} is not a JSONPath that mapping templates know here.")
        step, single = _step(part)
        steps.append(step)
        definite = definite and single
        position = part.end()
    return Path(tuple(steps), definite)


def _step(part: re.Match[str]) -> tuple[Callable[[Any], Iterator[Any]], bool]:
    """A step of a path, and whether it leads to at most one value."""
    match part.lastgroup:
        case "name" if part["name"] != "*":
            return _names([part["name"]]), True
        case "quoted":
            names = [single or double for single, double in QUOTED.findall(part["quoted"])]
            return _names(names), len(names) == 1
        case "indexes":
            indexes = [int(each) for each in part["indexes"].split(",")]
            return _indexes(indexes), len(indexes) == 1
        case "slice":
            bounds = [int(each) if each else None for each in part["slice"].split(":")]
            return _sliced(slice(*bounds)), False
        case "field" | "value":
            return _filter(part["field"], part["comparison"], part["value"]), False
        case "deep" if part["deep"] != "*":
            name = part["deep"]
            return lambda value: (each[name] for each in _deep(value) if _has(each, name)), False
        case "deep" | None:
            return _deep, False
        case _:
            return _children, False


def _names(names: list[str]) -> Callable[[Any], Iterator[Any]]:
    return lambda value: (value[name] for name in names if _has(value, name))


def _indexes(indexes: list[int]) -> Callable[[Any], Iterator[Any]]:
    def step(value: Any) -> Iterator[Any]:
        if isinstance(value, list):
            yield from (value[each] for each in indexes if -len(value) <= each < len(value))

    return step


def _sliced(bounds: slice) -> Callable[[Any], Iterator[Any]]:
    return lambda value: iter(value[bounds] if isinstance(value, list) else ())


def _filter(
    field: str, comparison: str | None, value: str | None
) -> Callable[[Any], Iterator[Any]]:
    wanted = _literal(value)

    def keeps(each: Any) -> bool:
        found = find(each, f"${field}")
        if comparison is None:
            return found is not None
        try:
            return COMPARISONS[comparison](found, wanted)
        except TypeError:  # of different kinds
            return False

    return lambda value: (each for each in _children(value) if keeps(each))


def _literal(text: str | None) -> object:
    if text is None or text in WORDS:
        return WORDS.get(text or "")
    if quoted := QUOTED.fullmatch(text):
        return quoted[1] or quoted[2] or ""
    try:
        return float(text)
    except ValueError as error:
        raise PathError(f"{text} in a JSONPath's filter is neither a number nor a text.") from error


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _deep(value: Any) -> Iterator[Any]:
    yield value
    for child in _children(value):
        yield from _deep(child)


def _has(value: Any, name: str) -> bool:
    return isinstance(value, dict) and name in value
