"""What is read at each scrape."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

Reading = tuple[tuple[str, ...], float]


@dataclass(frozen=True, slots=True)
class Watched:
    """A gauge or, with `counts`, a counter: the values for its labels are what `read` returns."""

    name: str
    description: str
    labels: tuple[str, ...]
    read: Callable[[], Iterable[Reading]]
    counts: bool
