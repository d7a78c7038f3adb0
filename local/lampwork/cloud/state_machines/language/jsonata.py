"""JSONata, as Step Functions evaluates it.

https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

import hashlib
import json
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from jsonata.jexception import JException
from jsonata.jsonata import Jsonata
from jsonata.utils import Utils

# https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
HASHES: Final = {
    "MD5": hashlib.md5,
    "SHA-1": hashlib.sha1,
    "SHA-256": hashlib.sha256,
    "SHA-384": hashlib.sha384,
    "SHA-512": hashlib.sha512,
}


class QueryError(Exception):
    """An expression cannot be evaluated."""

    def __init__(self, expression: str, problem: str) -> None:
        super().__init__(f"The JSONata expression '{expression}' {problem}")
        self._expression = expression
        self._problem = problem

    def text(self, field: str | None) -> str:
        """What AWS says of it, with the field of the state that holds the expression."""
        place = f" specified for the field '{field}'" if field else ""
        return f"The JSONata expression '{self._expression}'{place} {self._problem}"


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """The JSON value of an expression. `variables` are by name, without the dollar sign.

    Raises:
        QueryError: it is malformed or fails, it has no value, or its value is a function.
    """
    try:
        value = _parsed(expression).evaluate(None, {**FUNCTIONS, **_bound(variables)})
    except JException as error:
        problem = f"threw an error during evaluation. {error.error}: {error}"
        raise QueryError(expression, problem) from error
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        # The library lets errors of Python through where a function gets what it cannot take.
        problem = f"threw an error during evaluation. {error}"
        raise QueryError(expression, problem) from error
    if value is None:
        raise QueryError(expression, "returned nothing (undefined).")
    return _plain(value, expression)


def _bound(variables: Mapping[str, Any]) -> dict[str, Any]:
    # To the library, None is a variable that has no value.
    return {name: Utils.NULL_VALUE if value is None else value for name, value in variables.items()}


def _parsed(expression: str) -> Jsonata:
    # Not cached: an expression object holds the state of its evaluation.
    parsed = Jsonata(expression)
    parsed.set_output_convert_nulls(False)
    return parsed


def _plain(value: Any, expression: str) -> Any:
    """A value of the library as plain JSON."""
    if value is Utils.NULL_VALUE or value is None:
        return None
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, Mapping):
        return {str(name): _plain(each, expression) for name, each in value.items()}
    if isinstance(value, Sequence):
        return [_plain(each, expression) for each in value]
    raise QueryError(expression, "returned an unsupported result type.")


def _partition(array: Sequence[Any] | None, size: int | None) -> list[Any] | None:
    if array is None or not size:
        return None
    count = int(size)
    return [list(array[start : start + count]) for start in range(0, len(array), count)]


def _range(first: int, last: int, step: int) -> Any:
    """A sequence of JSONata, which is its only member if it has one."""
    if not step:
        return None
    found = Utils.create_sequence()
    found.extend(range(int(first), int(last) + (1 if step > 0 else -1), int(step)))
    return found[0] if len(found) == 1 else found


def _hash(value: str, algorithm: str) -> str:
    if algorithm not in HASHES:
        raise JException("D3137", 0, f"Unknown hash algorithm {algorithm}")
    return HASHES[algorithm](value.encode()).hexdigest()


def _random(seed: float | None = None) -> float:
    # The same seed gives the same number, as documented; which number that is, nobody says.
    return random.random() if seed is None else random.Random(seed).random()


def _uuid() -> str:
    return str(uuid.uuid4())


def _parse(text: str | None) -> Any:
    return None if text is None else json.loads(text)


@lru_cache
def _function(implementation: Callable[..., Any]) -> Any:
    return Jsonata.JLambda(implementation)


# JSONata's own functions stay as they are. These are Step Functions' additions.
FUNCTIONS: Final[Mapping[str, Any]] = {
    "partition": _function(_partition),
    "range": _function(_range),
    "hash": _function(_hash),
    "random": _function(_random),
    "uuid": _function(_uuid),
    "parse": _function(_parse),
}
