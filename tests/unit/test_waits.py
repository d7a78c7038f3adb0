"""Tests wait for a condition, and not for a number of seconds."""

import ast
from collections.abc import Iterator
from math import prod
from pathlib import Path

import pytest

from tests.conftest import ROOT

LONGEST_SECONDS = 0.5
TESTS = ROOT / "tests"

# What each of these calls waits for when its first argument is 1, in seconds.
WAITS = {"sleep": 1.0, "wait_for_timeout": 0.001}

# Files and folders whose waits are their subject, each with the reason.
EXCEPTIONS = {
    "soak": "They let real processes run and be killed for as long as they are told to.",
    "stack": "They look at containers, and not so often that looking disturbs these.",
}


def waits(source: str) -> Iterator[tuple[int, float]]:
    """The lines that wait for a known time, with the seconds."""
    tree = ast.parse(source)
    constants = dict(_constants(tree))
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=[first, *_]):
                seconds = _number(first, constants)
                if name in WAITS and seconds is not None:
                    yield node.lineno, seconds * WAITS[name]


def _constants(tree: ast.Module) -> Iterator[tuple[str, float]]:
    """The numbers that a module's top names."""
    for statement in tree.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(int() | float() as at)):
                yield name, at


def _number(expression: ast.expr, constants: dict[str, float]) -> float | None:
    match expression:
        case ast.Constant(int() | float() as number):
            return number
        case ast.Name(id=name):
            return constants.get(name)
        case ast.BinOp(left=left, right=right, op=ast.Add() | ast.Mult() as operator):
            both = [_number(left, constants), _number(right, constants)]
            numbers = [each for each in both if each is not None]
            if len(numbers) < 2:
                return None
            return sum(numbers) if isinstance(operator, ast.Add) else prod(numbers)
    return None


def is_excepted(file: Path) -> bool:
    name = file.relative_to(TESTS)
    return any(each == Path(excepted) for each in (name, *name.parents) for excepted in EXCEPTIONS)


def test_no_test_waits_for_half_a_second_or_more():
    found = [
        f"{file.relative_to(ROOT)}:{line} waits for {seconds} s"
        for file in sorted(TESTS.rglob("*.py"))
        if not is_excepted(file)
        for line, seconds in waits(file.read_text())
        if seconds >= LONGEST_SECONDS
    ]

    assert found == []


@pytest.mark.parametrize("excepted", EXCEPTIONS)
def test_every_exception_is_needed(excepted):
    place = TESTS / excepted
    files = [place, *place.rglob("*.py")]

    assert any(
        seconds >= LONGEST_SECONDS
        for file in files
        if file.is_file()
        for _, seconds in waits(file.read_text())
    )


@pytest.mark.parametrize(
    ("source", "seconds"),
    [
        ("time.sleep(1.2)", 1.2),
        ("await asyncio.sleep(60)", 60),
        ("sleep(1)", 1),
        ("page.wait_for_timeout(700)", 0.7),
        ("LONG = 3\nwork = lambda: asyncio.sleep(LONG)", 3),
        ("PAUSE = 0.5\ntime.sleep(2 * PAUSE + 1)", 2),
    ],
)
def test_a_wait_is_found_however_it_is_written(source, seconds):
    ((_, found),) = waits(source)

    assert found == pytest.approx(seconds)


@pytest.mark.parametrize(
    "source", ["FUNCTION = 'time.sleep(60)'", "process.wait(30)", "time.sleep(until)"]
)
def test_a_wait_that_may_end_sooner_is_no_fixed_wait(source):
    assert list(waits(source)) == []
