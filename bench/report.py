from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One figure, measured side by side; the ratio is the last against the first."""

    what: str
    figures: Mapping[str, float]

    @property
    def ratio(self) -> float:
        values = list(self.figures.values())
        return values[-1] / values[0]


def show(title: str, rows: list[Row]) -> None:
    table = Table("", *rows[0].figures, "ratio", title=title, title_justify="left")
    for row in rows:
        table.add_row(
            row.what, *(f"{value:,.2f}" for value in row.figures.values()), f"{row.ratio:.2f}"
        )
    Console().print(table)
