"""tests/stream_cases.toml lists the cases; markers say which tests cover them."""

import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
NUMBERS = range(1, 75)


def numbers_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[int]:
    for mark in function.decorator_list:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.stream_case":
            yield from map(ast.literal_eval, mark.args)


def marked() -> dict[int, list[str]]:
    """The tests of each case."""
    found: dict[int, list[str]] = defaultdict(list)
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for number in numbers_of(node):
                    found[number].append(f"{path.relative_to(TESTS)}::{node.name}")
    return found


def test_every_case_has_a_test_or_a_reason_why_not():
    table = tomllib.loads((TESTS / "stream_cases.toml").read_text())
    cases = {int(number) for number in table["cases"]}
    excused = {int(number) for number in table["not_here"]}

    assert set(marked()) == cases
    assert set(NUMBERS) - cases == excused
