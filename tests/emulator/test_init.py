"""`lampwork init`, and what scripts read: lists as JSON, the file that says when a stack is ready.

tests/emulator/as-installed runs that project where only the emulator is installed."""

import json
import sys

import httpx

from lampwork.cli import VERSION
from tests.conftest import ROOT
from tests.emulator.lampwork_process import SampleProject


def test_a_new_project_is_written_for_the_python_that_is_here(project: SampleProject) -> None:
    written = project.run("init", "shop")

    assert "cd shop && lampwork up" in written.stdout
    template = (project.root / "shop" / "template.yaml").read_text()
    assert f"Runtime: python3.{sys.version_info.minor}\n" in template
    assert ".lampwork/" in (project.root / "shop" / ".gitignore").read_text()
    routes = project.run("routes", "--template", "shop/template.yaml").stdout
    functions = [line.split()[-1] for line in routes.splitlines()]
    assert functions == ["Submit", "Connect", "Disconnect", "Work"]


def test_routes_are_listed_as_json_for_programs(project: SampleProject) -> None:
    listed = json.loads(project.run("routes", "--json").stdout)

    assert {"kind": "GET", "name": "/hello", "function": "Hello"} in listed
    assert {"kind": "invoke", "name": "", "function": "Fail"} in listed


def test_a_new_project_changes_no_file_that_is_there(project: SampleProject) -> None:
    mine = (project.root / "template.yaml").read_text()

    refused = project.run("init")

    assert refused.returncode == 1
    assert "Already there, so nothing was written: template.yaml." in refused.stderr
    assert (project.root / "template.yaml").read_text() == mine
    assert not (project.root / "src").exists()


def test_a_ready_file_is_there_while_requests_are_answered(project: SampleProject) -> None:
    ready = project.root / "ready.json"
    ready.write_text("left by a killed run")

    lampwork = project.start("up", "--ready-file", "ready.json")
    lampwork.until("Lampwork is up")

    told = json.loads(ready.read_text())
    assert told["pid"] == lampwork.pid
    assert httpx.get(f"{told['origin']}/hello").status_code == 200
    lampwork.stop()
    assert not ready.exists()


def test_a_ready_file_that_cannot_be_written_is_reported(project: SampleProject) -> None:
    refused = project.run("up", "--ready-file", "missing/ready.json")

    assert refused.returncode == 1
    assert "--ready-file: No such file or directory: missing/ready.json." in refused.stderr


def test_the_emulator_has_the_license_of_the_repository() -> None:
    # Its wheel and sdist are built from local/ and hold no file from outside that folder.
    assert (ROOT / "local/LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_the_version_is_one_that_an_index_takes(project: SampleProject) -> None:
    assert project.run("--version").stdout == f"lampwork {VERSION}\n"
    assert [part.isdigit() for part in VERSION.split(".")] == [True] * 3
