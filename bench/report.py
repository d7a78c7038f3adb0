import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One thing measured in several ways; the ratio is that of the last figure to the first."""

    what: str
    figures: Mapping[str, float]
    compared: bool = True

    @property
    def ratio(self) -> str:
        values = list(self.figures.values())
        return f"{values[-1] / values[0]:.2f}" if self.compared else ""


def show(title: str, rows: list[Row]) -> None:
    """Figures with their ratios; rows that are measured beside other things have a table each."""
    for names, group in groupby(rows, key=lambda row: list(row.figures)):
        show_table(
            title,
            ["", *names, "ratio"],
            (
                [row.what, *(f"{value:,.2f}" for value in row.figures.values()), row.ratio]
                for row in group
            ),
        )
        title = ""


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table below its title, which may have several sentences."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    if title:
        console.print(f"\n{' '.join(title.split())}", highlight=False)
    table = Table(*columns)
    for row in rows:
        table.add_row(*row)
    console.print(table)


Peers = Mapping[str, float]


@dataclass(frozen=True)
class Goal:
    """A figure with its goal; `peers` are the figures of what one would use instead."""

    what: str
    goal: str
    figure: float
    holds: bool
    peers: Peers = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        if not self.goal:
            return ""
        return "yes" if self.holds else "NO"

    @classmethod
    def at_most(cls, what: str, limit: float, figure: float, peers: Peers | None = None) -> "Goal":
        return cls(what, f"≤ {limit:g}", figure, figure <= limit, peers or {})

    @classmethod
    def at_least(cls, what: str, limit: float, figure: float) -> "Goal":
        return cls(what, f"≥ {limit:g}", figure, figure >= limit)

    @classmethod
    def without_limit(cls, what: str, figure: float, peers: Peers) -> "Goal":
        """A figure that is shown without a goal."""
        return cls(what, "", figure, True, peers)


def show_goals(title: str, goals: list[Goal]) -> None:
    peers = list(dict.fromkeys(name for goal in goals for name in goal.peers))
    show_table(
        title,
        ["", "goal", "lampwork", "holds", *peers],
        (
            [
                goal.what,
                goal.goal,
                f"{goal.figure:,.2f}",
                goal.verdict,
                *(f"{goal.peers[name]:,.2f}" if name in goal.peers else "" for name in peers),
            ]
            for goal in goals
        ),
    )
