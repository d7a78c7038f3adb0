"""Where Lampwork does not run, it says so at once and says what to do."""

import subprocess
import sys

import pytest

AS = """
import sys
from lampwork import cli
assert "fcntl" not in sys.modules and "lampwork.runtime" not in sys.modules
sys.platform = {platform!r}
sys.argv = ["lampwork", {command!r}]
cli.main()
"""


def run_as(platform: str, command: str) -> "subprocess.CompletedProcess[str]":
    """The command, on what it takes for this platform."""
    code = AS.format(platform=platform, command=command)
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("platform", "command", "advice"),
    [("win32", "up", "WSL 2"), ("win32", "routes", "WSL 2"), ("darwin", "up", "its container")],
)
def test_what_cannot_run_there_is_refused_with_what_to_do(platform, command, advice):
    refused = run_as(platform, command)

    assert refused.returncode == 1
    assert refused.stderr.startswith("Error: Lampwork runs")
    assert advice in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_what_starts_no_function_runs_on_macos():
    assert run_as("darwin", "--version").stdout.startswith("lampwork ")
