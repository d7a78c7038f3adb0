"""`lampwork coldstart`, as a user types it, in a project with modules that take a while to load."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from lampwork.cli import lampwork
from tests.emulator.lampwork_process import SampleProject

HEAVY = "total = sum(range(300_000))\n"
HELLO = """\
import json
import heavy

def handler(event, context):
    import late

    return {"statusCode": 200, "body": event["rawPath"]}

def fail(event, context):
    raise ValueError("on purpose")
"""


@pytest.fixture
def heavy(tmp_path: Path) -> SampleProject:
    project = SampleProject.create(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.lampwork]\nport = 0\nservices = []\n")
    (tmp_path / "hello.py").write_text(HELLO)
    (tmp_path / "heavy.py").write_text(HEAVY)
    (tmp_path / "late.py").write_text(HEAVY)
    return project


def test_a_cold_start_is_told_with_its_imports_its_memory_and_its_size(heavy: SampleProject):
    measured = heavy.run("coldstart", "--runs", "2", "--json", "--budget", "600s")

    assert measured.returncode == 0, measured.stderr
    hello, failing = json.loads(measured.stdout)
    assert (hello["function"], hello["runs"], hello["problem"]) == ("Hello", 2, None)
    assert hello["init_processor_ms"] > 0
    assert hello["first_request_processor_ms"] > 0
    assert hello["memory_bytes"] > 5_000_000
    assert hello["smallest_memory_mb"] >= 128
    assert hello["bundle_bytes"]["code"] >= len(HELLO) + 2 * len(HEAVY)
    assert hello["bundle_limit_bytes"] == 262_144_000
    asked = {name: by for top in hello["imports"] for name, by in asked_by(top)}
    assert asked["heavy"] == "hello.py:2"
    assert hello["bundle_bytes"]["loaded_packages"] == 0
    assert [node["module"] for node in hello["first_request_imports"]] == ["late"]
    assert hello["first_request_imports"][0]["asked_by"] == "hello.py:5"
    assert failing["problem"] == "ValueError: on purpose"


def test_an_init_that_takes_longer_than_its_budget_ends_with_1(heavy: SampleProject):
    measured = heavy.run("coldstart", "Hello", "--runs", "1", "--budget", "1ms")

    assert measured.returncode == 1
    assert "Hello: init " in measured.stderr
    assert ", of 1 ms." in measured.stderr
    assert "Medians of 1 starts" in measured.stdout
    assert "heavy" in measured.stdout
    assert "hello.py:2" in measured.stdout
    assert "\033" not in measured.stdout + measured.stderr


def test_a_function_that_cannot_be_loaded_is_told_of(heavy: SampleProject):
    (heavy.root / "heavy.py").write_text("import not_there\n")

    measured = heavy.run("coldstart", "Hello", "--runs", "1")

    assert measured.returncode == 0
    assert "Hello: the init failed: Runtime.ImportModuleError" in measured.stdout
    assert "Unable to import module 'hello': No module named 'not_there'" in measured.stdout


@pytest.mark.parametrize("budget", ["fast", "0", "-1ms"])
def test_a_budget_is_a_duration(budget: str):
    refused = CliRunner().invoke(lampwork, ["coldstart", f"--budget={budget}"])

    assert refused.exit_code == 2
    assert "is no duration such as 400ms" in refused.stderr


def asked_by(node: dict[str, Any]) -> list[tuple[str, str]]:
    """The modules of a tree, each with the line that asks for it."""
    return [
        (node["module"], node["asked_by"]),
        *(pair for child in node["imports"] for pair in asked_by(child)),
    ]
