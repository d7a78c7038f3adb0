"""Wildcards of event patterns, and how complex they may be.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html#eb-filtering-wildcard-matching
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

# AWS publishes no limit. event-ruler's guide names this one for a single rule.
# https://github.com/aws/event-ruler#matching-with-a-machine
LARGEST_COMPLEXITY: Final = 10

STAR: Final = None
Token = str | None
"""A character of a wildcard, or `STAR`."""


class BadWildcard(ValueError):
    """AWS would refuse the wildcard; the text says why."""


def parse_wildcard(text: str) -> tuple[Token, ...]:
    r"""The tokens of a wildcard, in which `\*` is an asterisk and `\\` a backslash.

    Raises:
        BadWildcard: it has two asterisks in a row, or a backslash that escapes nothing.
    """
    tokens: list[Token] = []
    rest = iter(enumerate(text))
    for position, character in rest:
        if character == "\\":
            following = text[position + 1 : position + 2]
            if following not in ("*", "\\"):
                raise BadWildcard(f"Invalid escape character at pos {_place(text, position)}")
            tokens.append(following)
            next(rest)
        elif character == "*":
            if tokens[-1:] == [STAR]:
                raise BadWildcard(
                    f"Consecutive wildcard characters at pos {_place(text, position - 1)}"
                )
            tokens.append(STAR)
        else:
            tokens.append(character)
    return tuple(tokens)


def expression_of(tokens: Iterable[Token]) -> re.Pattern[str]:
    """The regular expression that matches what the wildcard matches."""
    parts = (".*" if token is STAR else re.escape(token) for token in tokens)
    return re.compile("".join(parts), re.DOTALL)


def complexity(wildcards: Sequence[Sequence[Token]], most: int) -> int:
    """How many prefixes of these wildcards one text can match at once, in the worst case.

    It stops counting above `most`. https://github.com/aws/event-ruler#matching-with-a-machine
    """
    alphabet = {token for each in wildcards for token in each if token is not STAR}
    # A position is a wildcard and how many of its tokens have matched.
    start = frozenset(
        place for which in range(len(wildcards)) for place in _with_stars(wildcards, which, 0)
    )
    seen, waiting, largest = {start}, [start], _prefixes(start)
    while waiting and largest <= most:
        positions = waiting.pop()
        for character in (*alphabet, ""):  # "" stands for every other character
            following = frozenset(
                place
                for which, matched in positions
                for place in _after(wildcards, which, matched, character)
            )
            if following not in seen:
                seen.add(following)
                waiting.append(following)
                largest = max(largest, _prefixes(following))
    return largest


Position = tuple[int, int]


def _prefixes(positions: Iterable[Position]) -> int:
    return sum(matched > 0 for _, matched in positions)


def _after(
    wildcards: Sequence[Sequence[Token]], which: int, matched: int, character: str
) -> Iterable[Position]:
    tokens = wildcards[which]
    if matched and tokens[matched - 1] is STAR:
        yield which, matched
    if matched < len(tokens) and tokens[matched] == character:
        yield from _with_stars(wildcards, which, matched + 1)


def _with_stars(
    wildcards: Sequence[Sequence[Token]], which: int, matched: int
) -> Iterable[Position]:
    """A position, and the one after the star that follows it: a star also matches nothing."""
    yield which, matched
    if wildcards[which][matched : matched + 1] == (STAR,):
        yield which, matched + 1


def _place(text: str, position: int) -> int:
    """A position as AWS counts it: in bytes, of the text in its quotes."""
    return len(text[:position].encode()) + 1
