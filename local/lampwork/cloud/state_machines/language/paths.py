"""JSONPath, as Step Functions evaluates it.

https://docs.aws.amazon.com/step-functions/latest/dg/amazon-states-language-paths.html
"""

from functools import lru_cache
from typing import Any, Final

from jsonpath_ng import Child, Fields, Index, Root
from jsonpath_ng.ext.parser import parse

KEPT: Final = 1024


class Path:
    """A path that has been read.

    One that names a single place, such as $.orders[0].id, has the value there. One that may name
    several, with a wildcard, a slice, a filter or "..", has the list of all values, even if it is
    of one value or of none.
    """

    def __init__(self, text: str) -> None:
        self._parsed: Any = parse(text)
        self.is_definite = _is_definite(self._parsed)

    def values(self, data: Any) -> list[Any]:
        return [match.value for match in self._parsed.find(data)]


@lru_cache(KEPT)  # to build its parser takes milliseconds
def read(text: str) -> Path:
    """
    Raises:
        Exception: it is no path; the library has no class for that.
    """
    return Path(text)


def _is_definite(part: Any) -> bool:
    match part:
        case Root():
            return True
        case Child(left=left, right=right):
            return _is_definite(left) and _is_definite(right)
        case Fields(fields=(name,)):
            return bool(name != "*")
        case Index():
            return len(getattr(part, "indices", (0,))) == 1
    return False
