"""The text patterns by which CloudWatch Logs finds lines.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import re
from collections.abc import Callable
from typing import Final

Matches = Callable[[str], bool]

OTHER_KINDS: Final = ("{", "[")


def text_filter(pattern: str) -> Matches:
    """Whether a line matches: it has all terms, one of those with "?", none of those with "-".

    A term in double quotes may have spaces, one in % is a regular expression.

    Raises:
        ValueError: it is no such pattern.
    """
    if pattern.lstrip().startswith(OTHER_KINDS):
        raise ValueError("Lampwork knows patterns of text, none of JSON or of columns")
    words = _words(pattern)
    wanted = [_term(word) for word in words if word[0] not in "?-"]
    optional = [_term(word[1:]) for word in words if word[0] == "?"]
    unwanted = [_term(word[1:]) for word in words if word[0] == "-"]

    def matches(line: str) -> bool:
        return (
            all(found(line) for found in wanted)
            and (not optional or any(found(line) for found in optional))
            and not any(found(line) for found in unwanted)
        )

    return matches


def _words(pattern: str) -> list[str]:
    words = re.findall(r'[?-]?"[^"]*"|[?-]?%[^%]+%|\S+', pattern)
    return [word for word in words if word.strip("?-")]


def _term(word: str) -> Matches:
    if len(word) > 2 and word[0] == word[-1] == "%":
        try:
            expression = re.compile(word[1:-1])
        except re.error as error:
            raise ValueError(f"{word}: {error}") from error
        return lambda line: expression.search(line) is not None
    plain = word[1:-1] if len(word) > 1 and word[0] == word[-1] == '"' else word
    return lambda line: plain in line
