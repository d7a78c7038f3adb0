"""docs/emulator/conformance.md numbers what the service does; markers say which tests show it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parents[1] / "docs" / "emulator" / "conformance.md"


def test_every_assertion_of_the_page_is_shown_by_a_test_and_no_other_is():
    numbers = {int(number) for number in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.M)}

    assert numbers == set(range(1, 16))
    assert {number for file in TESTS.rglob("test_*.py") for number in shown(file)} == numbers


def shown(file: Path) -> Iterator[int]:
    """The numbers of the assertions that a file's tests are marked with."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for mark in node.decorator_list:
                match mark:
                    case ast.Call(func=ast.Attribute(attr="assertion"), args=numbers):
                        yield from (ast.literal_eval(number) for number in numbers)
