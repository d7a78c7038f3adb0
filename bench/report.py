from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Row:
    """One thing, measured side by side; the ratio is the last figure against the first."""

    what: str
    figures: Mapping[str, float]
    compared: bool = True

    @property
    def ratio(self) -> str:
        values = list(self.figures.values())
        return f"{values[-1] / values[0]:.2f}" if self.compared else ""


def show(title: str, rows: list[Row]) -> None:
    table = Table("", *rows[0].figures, "ratio", title=title, title_justify="left")
    for row in rows:
        table.add_row(row.what, *(f"{value:,.2f}" for value in row.figures.values()), row.ratio)
    Console().print(table)
