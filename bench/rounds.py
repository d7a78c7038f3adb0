from dataclasses import dataclass, field
from statistics import median

from bench.process_memory import Memory
from bench.requests import Figures


@dataclass
class Round:
    """What was measured after one start of a server; times in milliseconds."""

    start: float
    cold: float
    one_client: Figures | None = None
    all_clients: Figures | None = None
    memory: Memory = field(default_factory=Memory)


class Rounds(list[Round]):
    """The rounds of one server and their figures: medians, or peaks for memory."""

    @property
    def start(self) -> float:
        return median(each.start for each in self)

    @property
    def cold(self) -> float:
        return median(each.cold for each in self)

    @property
    def one_client(self) -> float:
        return median(each.one_client.p50 for each in self if each.one_client)

    @property
    def per_second(self) -> list[float]:
        """Requests a second in each round under load."""
        return [each.all_clients.per_second for each in self if each.all_clients]

    @property
    def pss(self) -> float:
        return max(each.memory.pss for each in self)

    @property
    def rss(self) -> float:
        return max(each.memory.rss for each in self)

    def ratio(self, others: "Rounds") -> float:
        """The median ratio of requests a second, paired with the rounds of another server.

        The two alternate, so a busy machine slows both of a pair.
        """
        pairs = zip(self.per_second, others.per_second, strict=True)
        return median(ours / theirs for ours, theirs in pairs)
