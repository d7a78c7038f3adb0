import re
from functools import lru_cache


class TemplateSyntaxError(Exception):
    """A template that cannot be read; the text says why and in which line."""


class Scanner:
    """A position in a text."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.position = 0

    @property
    def done(self) -> bool:
        return self.position >= len(self.source)

    def peek(self, text: str) -> bool:
        return self.source.startswith(text, self.position)

    def match(self, pattern: str | re.Pattern[str]) -> re.Match[str] | None:
        """What the pattern matches here, and move behind it."""
        found = _compiled(pattern).match(self.source, self.position)
        if found is not None:
            self.position = found.end()
        return found

    def take(self, pattern: str | re.Pattern[str]) -> str:
        """The text that the pattern matches here, and move behind it; "" where it does not."""
        found = self.match(pattern)
        return found[0] if found else ""

    def skip(self) -> None:
        """Move behind white space."""
        self.take(r"\s+")

    def character(self) -> str:
        self.position += 1
        return self.source[self.position - 1]

    def error(self, problem: str) -> TemplateSyntaxError:
        line = self.source.count("\n", 0, self.position) + 1
        return TemplateSyntaxError(f"line {line} of the mapping template: {problem}.")


@lru_cache(maxsize=64)
def _compiled(pattern: str | re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(pattern)
