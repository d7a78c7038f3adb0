from dataclasses import dataclass, field
from statistics import median

from bench.load import Figures
from bench.processes import Memory


@dataclass
class Round:
    """One start of a server and what followed; times in milliseconds."""

    start: float
    cold: float
    alone: Figures | None = None
    together: Figures | None = None
    memory: Memory = field(default_factory=Memory)


class Rounds(list[Round]):
    """The rounds of one server, and their medians."""

    @property
    def start(self) -> float:
        return median(each.start for each in self)

    @property
    def cold(self) -> float:
        return median(each.cold for each in self)

    @property
    def alone(self) -> float:
        return median(each.alone.p50 for each in self if each.alone)

    @property
    def per_second(self) -> list[float]:
        """Of each round under load."""
        return [each.together.per_second for each in self if each.together]

    @property
    def pss(self) -> float:
        return max(each.memory.pss for each in self)

    @property
    def rss(self) -> float:
        return max(each.memory.rss for each in self)

    def ratio(self, others: "Rounds") -> float:
        """Requests a second beside those of rounds that took turns with these.

        A busy minute of the machine is in both of a pair.
        """
        pairs = zip(self.per_second, others.per_second, strict=True)
        return median(mine / theirs for mine, theirs in pairs)
