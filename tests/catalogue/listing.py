"""A pytest plugin that lists the catalogue's cases: `make catalogue`."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import pytest

from tests.catalogue.cases import CATALOGUE

outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for identifier in _cases(item):
            outcomes[identifier]["collected"] += 1
            item.user_properties.append(("case", identifier))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.failed:
        for name, identifier in report.user_properties:
            if name == "case":
                outcomes[str(identifier)][report.outcome] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for identifier in sorted(outcomes, key=_place):
        counted = outcomes[identifier]
        shown = ", ".join(f"{number} {outcome}" for outcome, number in counted.items())
        terminalreporter.write_line(f"{identifier}: {shown}: {CATALOGUE.get(identifier)}")


def _cases(item: pytest.Item) -> Iterator[str]:
    for marker in item.iter_markers("case"):
        yield from marker.args


def _place(identifier: str) -> tuple[str, int]:
    return identifier[0], int(identifier[1:])
