"""The comparisons of event patterns. Each is read from a pattern's JSON, and then tests values.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
"""

import ipaddress
import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lampwork.events.event_patterns.fields import Members, Number, Scalar
from lampwork.events.event_patterns.wildcards import (
    BadWildcard,
    Token,
    expression_of,
    parse_wildcard,
)

Test = Callable[[Scalar], bool]
Texts = Callable[[str], Test]
"""Makes the test of one text of a pattern."""

IP: Final = re.compile(r"\d+\.\d+\.\d+\.\d+|[0-9a-fA-F:]*:[0-9a-fA-F:]*")

ONE_KEY: Final = "Only one key allowed in match expression"
TOO_MANY: Final = "Too many elements in numeric expression"
OF_A_LIST: Final = (
    "Inside anything but list, either all values are number or string, mixed type is not supported"
)
NOT_IN_A_LIST: Final = "Inside anything but list, start|null|boolean is not supported."


class BadPattern(ValueError):
    """AWS would refuse a pattern; the text says why, in the words of AWS."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One of the alternatives that a pattern allows for a field.

    `wants_absence` is that of a field which must not be there: `test` is not asked then.
    `wildcards` are those it contains.
    """

    test: Test
    wants_absence: bool = False
    wildcards: tuple[tuple[Token, ...], ...] = ()


def comparison_of(content: Any) -> Comparison:
    """
    Raises:
        BadPattern: AWS would refuse it.
    """
    match content:
        case Members():
            return _expression(content)
        case list():
            raise BadPattern("Match value must be String, number, true, false, or null")
        case str() if (address := _address(content)) is not None:
            return Comparison(lambda value: _address(value) == address)
        case Number():
            return Comparison(_equals_number(content))
        case _:
            return Comparison(lambda value: type(value) is type(content) and value == content)


def _expression(content: Members) -> Comparison:
    if not content:
        raise BadPattern("Match expression name not found")
    name, argument = content[0]
    if name not in OPERATORS:
        raise BadPattern(f"Unrecognized match type {name}")
    comparison = OPERATORS[name](argument)
    if len(content) > 1:
        raise BadPattern(TOO_MANY if name in ("anything-but", "numeric") else ONE_KEY)
    return comparison


def _text(argument: Any, operator_name: str) -> str:
    if not isinstance(argument, str):
        raise BadPattern(f"{operator_name} match pattern must be a string")
    return argument


def _only_text(name: str, make: Texts) -> Callable[[Any], Comparison]:
    return lambda argument: Comparison(make(_text(argument, name)))


def _affix(name: str, make: Texts, make_ignoring_case: Texts) -> Callable[[Any], Comparison]:
    """A prefix or a suffix: a text, or {"equals-ignore-case": text}."""

    def read(argument: Any) -> Comparison:
        if not isinstance(argument, Members):
            return Comparison(make(_text(argument, name)))
        if not argument:
            raise BadPattern(f"{name.capitalize()} expression name not found")
        (inner, text), *more = argument
        if inner != "equals-ignore-case":
            raise BadPattern(f"Unsupported {name} pattern: {inner}")
        comparison = Comparison(make_ignoring_case(_text(text, "equals-ignore-case")))
        if more:
            raise BadPattern(ONE_KEY)
        return comparison

    return read


def _exact(text: str) -> Test:
    return lambda value: value == text and isinstance(value, str)


def _prefix(text: str) -> Test:
    return lambda value: isinstance(value, str) and value.startswith(text)


def _suffix(text: str) -> Test:
    return lambda value: isinstance(value, str) and value.endswith(text)


def _ignoring_case(make: Texts) -> Texts:
    def made(text: str) -> Test:
        test = make(text.lower())
        return lambda value: isinstance(value, str) and test(value.lower())

    return made


def _tokens(text: str) -> tuple[Token, ...]:
    try:
        return parse_wildcard(text)
    except BadWildcard as error:
        raise BadPattern(str(error)) from error


def _wildcard_test(text: str) -> Test:
    expression = expression_of(_tokens(text))
    return lambda value: isinstance(value, str) and expression.fullmatch(value) is not None


def _wildcard(argument: Any) -> Comparison:
    text = _text(argument, "wildcard")
    return Comparison(_wildcard_test(text), wildcards=(_tokens(text),))


def _exists(argument: Any) -> Comparison:
    if not isinstance(argument, bool):
        raise BadPattern("exists match pattern must be either true or false.")
    return Comparison(lambda value: argument, wants_absence=not argument)


def _equals_number(number: Number) -> Test:
    def same(value: Scalar) -> bool:
        if not isinstance(value, Number):
            return False
        if number.comparable is None or value.comparable is None:
            return value.text == number.text
        return value.comparable == number.comparable

    return same


# Numeric ranges


def _numeric(argument: Any) -> Comparison:
    if not isinstance(argument, list):
        raise BadPattern("Value of numeric must be an array.")
    return Comparison(_all(tuple(_bounds(argument))))


def _all(tests: tuple[Test, ...]) -> Test:
    return lambda value: all(test(value) for test in tests)


def _bounds(terms: list[Any]) -> Iterator[Test]:
    """The tests of a range. Only a lower bound may be followed by a second term."""
    if not terms or not isinstance(terms[0], str):
        raise BadPattern(f"Invalid member in numeric match: {_written(terms[:1])}")
    sign = terms[0]
    if sign not in COMPARED:
        raise BadPattern(f"Unrecognized numeric range operator: {sign}")
    bottom = _bound(terms[1:2], "equals" if sign == "=" else sign)
    yield _compares(sign, bottom)
    if len(terms) == 2:
        return
    if sign not in (">", ">="):
        raise BadPattern(TOO_MANY)
    if not isinstance(second := terms[2], str):
        raise BadPattern(f"Bad value in numeric range: {_written(terms[2:3])}")
    if second not in ("<", "<="):
        raise BadPattern(f"Bad numeric range operator: {second}")
    top = _bound(terms[3:4], second)
    if len(terms) > 4:
        raise BadPattern("Too many terms in numeric range expression")
    if bottom >= top:
        raise BadPattern("Bottom must be less than top")
    yield _compares(second, top)


def _bound(terms: list[Any], sign: str) -> float:
    if not terms or not isinstance(terms[0], Number):
        raise BadPattern(f"Value of {sign} must be numeric")
    return _comparable(terms[0])


def _comparable(number: Number) -> float:
    if number.comparable is None:
        raise BadPattern(f"Cannot compare number : {number.text}")
    return number.comparable


def _compares(sign: str, bound: float) -> Test:
    compare = COMPARED[sign]

    def test(value: Scalar) -> bool:
        number = value.comparable if isinstance(value, Number) else None
        return number is not None and bool(compare(number, bound))

    return test


def _written(terms: list[Any]) -> str:
    return terms[0].text if terms and isinstance(terms[0], Number) else "".join(map(str, terms))


# Addresses


def _cidr(argument: Any) -> Comparison:
    # The word "prefix" is AWS's own.
    address, slash, mask = _text(argument, "prefix").partition("/")
    if not slash or "/" in mask:
        raise BadPattern("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"[+-]?\d+", mask):
        raise BadPattern("Malformed CIDR, mask bits must be an integer")
    bits = int(mask)
    if bits < 0:
        raise BadPattern("Malformed CIDR, mask bits must not be negative")
    base = _address(address)
    if base is None:
        kind = "Invalid" if IP.fullmatch(address) else "Nonstandard"
        raise BadPattern(f"{kind} IP address: {address}")
    width = base.max_prefixlen
    if bits >= width:
        raise BadPattern(f"IPv{base.version} mask bits must be < {width}")
    network = int(base) >> (width - bits)

    def lies_within(value: Scalar) -> bool:
        found = _address(value)
        same_kind = found is not None and found.version == base.version
        return same_kind and int(found or 0) >> (width - bits) == network

    return Comparison(lies_within)


def _address(value: Scalar) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a text is. Its parts may be written with leading zeros."""
    if not isinstance(value, str) or not IP.fullmatch(value):
        return None
    text = ".".join(part.lstrip("0") or "0" for part in value.split(".")) if "." in value else value
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


# Anything-but


def _anything_but(argument: Any) -> Comparison:
    if isinstance(argument, Members):
        return _anything_but_some(argument)
    if not isinstance(argument, str | Number | list):
        raise BadPattern("Value of anything-but must be an array or single string/number value.")
    refused = argument if isinstance(argument, list) else [argument]
    if not all(isinstance(each, str | Number) for each in refused):
        raise BadPattern(NOT_IN_A_LIST)
    for number in (each for each in refused if isinstance(each, Number)):
        _comparable(number)
    if len({type(each) for each in refused}) != 1:
        raise BadPattern(OF_A_LIST)
    return Comparison(
        _none_of(
            _equals_number(each) if isinstance(each, Number) else _exact(each) for each in refused
        )
    )


def _anything_but_some(argument: Members) -> Comparison:
    """Anything but the texts with a prefix, a suffix, a wildcard, or in any case."""
    if not argument:
        raise BadPattern("Anything-But expression name not found")
    (name, wanted), *more = argument
    if name not in REFUSABLE:
        raise BadPattern(f"Unsupported anything-but pattern: {name}")
    if not isinstance(wanted, str | Number | list):
        raise BadPattern("Value of anything-but must be an array or single string/number value.")
    texts: list[Any] = wanted if isinstance(wanted, list) else [wanted]
    for text in texts:
        if not isinstance(text, str):
            raise BadPattern(NOT_A_TEXT[name])
        if not text and name in ("prefix", "suffix"):
            raise BadPattern("Null prefix/suffix not allowed")
    tests = tuple(REFUSABLE[name](text) for text in texts)
    if more:
        raise BadPattern(TOO_MANY)
    wildcards = tuple(map(_tokens, texts)) if name == "wildcard" else ()
    return Comparison(_none_of(tests), wildcards=wildcards)


def _none_of(tests: Iterable[Test]) -> Test:
    each = tuple(tests)
    return lambda value: not any(test(value) for test in each)


COMPARED: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
}
REFUSABLE: Final[Mapping[str, Texts]] = {
    "equals-ignore-case": _ignoring_case(_exact),
    "prefix": _prefix,
    "suffix": _suffix,
    "wildcard": _wildcard_test,
}
NOT_A_TEXT: Final[Mapping[str, str]] = {
    "equals-ignore-case": "Inside anything-but/equals-ignore-case list,"
    " number|start|null|boolean is not supported.",
    "prefix": "prefix/suffix match pattern must be a string",
    "suffix": "prefix/suffix match pattern must be a string",
    "wildcard": "wildcard match pattern must be a string",
}
OPERATORS: Final[Mapping[str, Callable[[Any], Comparison]]] = {
    "anything-but": _anything_but,
    "cidr": _cidr,
    "equals-ignore-case": _only_text("equals-ignore-case", _ignoring_case(_exact)),
    "exactly": _only_text("exact", _exact),
    "exists": _exists,
    "numeric": _numeric,
    "prefix": _affix("prefix", _prefix, _ignoring_case(_prefix)),
    "suffix": _affix("suffix", _suffix, _ignoring_case(_suffix)),
    "wildcard": _wildcard,
}
