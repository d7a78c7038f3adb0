"""The bench: what it can be asked for, and one of its measures with the smallest numbers."""

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def bench(*arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def measures() -> set[str]:
    _, _, listed = bench("--help").stdout.partition("one of: ")
    return set(listed.strip().split(", "))


def test_every_measure_that_the_docs_name_exists(measures):
    text = "\n".join(page.read_text() for page in PAGES)
    first = re.findall(r"python -m bench ([a-z][a-z-]*)", text)
    named = {*first, *re.findall(r'ONLY="?([a-z][a-z-]*)', text)}

    assert named - measures == set()


def test_the_page_of_figures_names_every_measure(measures):
    page = (ROOT / "docs/performance.md").read_text()

    assert {each for each in measures if f"`{each}`" not in page} == set()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nothing"], "no such measure: nothing"),
        (["load", "idle", "--users", "3"], "name the one measure"),
        (["cold-start", "--users", "3"], "cold-start takes no options"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, why):
    refused = bench(*arguments)

    assert refused.returncode == 1
    assert why in refused.stderr


def test_the_heaviest_imports_of_a_function_are_listed():
    shown = bench("imports", "--rounds", "1", "--function", "functions.ws_connect.connect").stdout

    (line,) = re.findall(r"^functions\.ws_connect\.connect: (.*)$", shown, re.MULTILINE)
    assert "standard library" in line
    assert 5 <= line.count(" ms") <= 10
