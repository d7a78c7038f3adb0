"""The command that runs all tests forgives no test that fails twice."""

import os
import subprocess
import sys
from pathlib import Path

RUN_ALL = Path(__file__).parents[1] / "run-all"
PYTEST = Path(sys.executable).with_name("pytest")

LEAN = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist"}

UNSTEADY = """
from pathlib import Path

def test_that_fails_at_first():
    flag = Path(__file__).with_name("flag")
    seen = flag.exists()
    flag.touch()
    assert seen
"""
BROKEN = "def test_that_fails_always():\n    assert False\n"
MANY = """
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(4))
def test_that_fails_at_first(number):
    flag = Path(__file__).with_name(f"flag{number}")
    seen = flag.exists()
    flag.touch()
    assert seen
"""


def run_all(folder: Path, tests: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_given.py").write_text(tests)
    return subprocess.run(
        [RUN_ALL, PYTEST, "0"],
        cwd=folder,
        env=os.environ | LEAN,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_test_that_passes_alone_is_named_and_fails_nothing(tmp_path):
    run = run_all(tmp_path, UNSTEADY)

    assert run.returncode == 0
    assert "test_given.py::test_that_fails_at_first" in run.stdout
    assert "unsteady" in run.stdout


def test_a_test_that_fails_twice_fails_the_run(tmp_path):
    run = run_all(tmp_path, UNSTEADY + BROKEN)

    assert run.returncode == 1
    assert "unsteady" not in run.stdout


def test_more_than_three_failures_are_not_tried_again(tmp_path):
    run = run_all(tmp_path, MANY)

    assert run.returncode == 1
    assert "Tried again" not in run.stdout
