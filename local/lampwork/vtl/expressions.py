import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from lampwork.vtl.nodes import (
    Block,
    Call,
    Constant,
    Expression,
    Index,
    Interpolated,
    ListOf,
    MapOf,
    Operation,
    Property,
    RangeOf,
    Reference,
    Unary,
)
from lampwork.vtl.scanner import Scanner, TemplateSyntaxError

# A hyphen is part of a name only between two characters of it.
NAME: Final = r"[A-Za-z_]\w*(?:-\w+)*"
START: Final = re.compile(rf"\$!?(\{{?)({NAME})")
PROPERTY: Final = re.compile(rf"\.({NAME})")
NUMBER: Final = re.compile(r"\d+(\.\d+)?(?:[eE][+-]?\d+)?")
RANGE_NUMBER: Final = re.compile(r"\d+(?=\s*\.\.)")
# From the loosest to the tightest.
OPERATORS: Final[tuple[dict[str, str], ...]] = (
    {"||": "||", "or": "||"},
    {"&&": "&&", "and": "&&"},
    {"==": "==", "!=": "!=", "eq": "==", "ne": "!="},
    {
        **{"<=": "<=", ">=": ">=", "<": "<", ">": ">"},
        **{"le": "<=", "ge": ">=", "lt": "<", "gt": ">"},
    },
    {"+": "+", "-": "-"},
    {"*": "*", "/": "/", "%": "%"},
)
WORDS: Final[dict[str, object]] = {"true": True, "false": False, "null": None}
MOST_DEPTH: Final = 50


class ExpressionReader:
    """Reads the expressions in a template's directives, and its references.

    `parse` reads a text in double quotes, which is a template itself.
    """

    def __init__(self, at: Scanner, parse: Callable[[str], Block]) -> None:
        self._at = at
        self._parse = parse
        self._depth = 0

    def expression(self, level: int = 0) -> Expression:
        """
        Raises:
            TemplateSyntaxError: there is none here.
        """
        if level == len(OPERATORS):
            return self._unary()
        left = self.expression(level + 1)
        while (operator := self._operator(OPERATORS[level])) is not None:
            left = Operation(operator, left, self.expression(level + 1))
        return left

    def reference(self) -> Reference | None:
        """The reference here; None where the $ is only a character."""
        begin = self._at.position
        start = self._at.match(START)
        if start is None:
            return None
        steps: list[Property | Call | Index] = []
        while (step := self._step()) is not None:
            steps.append(step)
        if start[1] and not self._at.take(r"\}"):
            self._at.position = begin
            return None
        return Reference(start[2], tuple(steps))

    def _step(self) -> Property | Call | Index | None:
        at = self._at
        if found := at.match(PROPERTY):
            if at.take(r"\("):
                return Call(found[1], self._items(r"\)"))
            return Property(found[1])
        if at.peek("["):
            begin = at.position
            at.character()
            with suppress(TemplateSyntaxError):  # such a bracket is text
                key = self.expression()
                self._close(r"\]")
                return Index(key)
            at.position = begin
        return None

    def _operator(self, operators: dict[str, str]) -> str | None:
        self._at.skip()
        for written, operator in operators.items():
            if self._at.take(re.escape(written) + (r"\b" if written.isalpha() else "")):
                return operator
        return None

    def _unary(self) -> Expression:
        self._depth += 1
        if self._depth > MOST_DEPTH:
            raise self._at.error("an expression is nested too deeply")
        try:
            self._at.skip()
            if self._at.take(r"!(?!=)|not\b"):
                return Unary("!", self._unary())
            if self._at.take(r"-"):
                return Unary("-", self._unary())
            return self._primary()
        finally:
            self._depth -= 1

    def _primary(self) -> Expression:
        at = self._at
        if at.peek("$") and (reference := self.reference()) is not None:
            return reference
        if whole := at.take(RANGE_NUMBER):
            return Constant(int(whole))
        if number := at.match(NUMBER):
            written = number[0]
            return Constant(int(written) if written.isdecimal() else float(written))
        if single := at.match(r"'((?:[^']|'')*)'"):
            return Constant(single[1].replace("''", "'"))
        if double := at.match(r'"((?:[^"\\]|\\.|"")*)"'):
            return self._interpolated(double[1])
        if word := at.take(r"(?:true|false|null)\b"):
            return Constant(WORDS[word])
        if at.take(r"\("):
            inner = self.expression()
            self._close(r"\)")
            return inner
        if at.take(r"\["):
            return self._list()
        if at.take(r"\{"):
            return self._map()
        raise at.error("a value is missing")

    def _interpolated(self, text: str) -> Expression:
        text = text.replace('""', '"').replace('\\"', '"')
        if "$" not in text and "#" not in text:
            return Constant(text)
        return Interpolated(self._parse(text))

    def _list(self) -> Expression:
        self._at.skip()
        if self._at.take(r"\]"):
            return ListOf(())
        first = self.expression()
        self._at.skip()
        if self._at.take(r"\.\."):
            last = self.expression()
            self._close(r"\]")
            return RangeOf(first, last)
        self._at.take(r",")
        return ListOf((first, *self._items(r"\]")))

    def _map(self) -> Expression:
        pairs: list[tuple[Expression, Expression]] = []
        self._at.skip()
        while not self._at.take(r"\}"):
            key = self.expression()
            self._close(r":")
            pairs.append((key, self.expression()))
            self._at.take(r"\s*,?\s*")
            if self._at.done:
                raise self._at.error("a } is missing")
        return MapOf(tuple(pairs))

    def _items(self, end: str) -> tuple[Expression, ...]:
        items: list[Expression] = []
        self._at.skip()
        while not self._at.take(end):
            items.append(self.expression())
            self._at.take(r"\s*,?\s*")
            if self._at.done:
                raise self._at.error(f"a {end[-1]} is missing")
        return tuple(items)

    def _close(self, end: str) -> None:
        self._at.skip()
        if not self._at.take(end):
            raise self._at.error(f"a {end[-1]} is missing")
