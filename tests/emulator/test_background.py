"""`lampwork up --detach`, `status` and `down`."""

import json
import urllib.request

import pytest

from tests.emulator.lampwork_process import SampleProject

NOT_RUNNING = 3


@pytest.fixture
def quick(project: SampleProject) -> SampleProject:
    project.edit("pyproject.toml", lambda text: text.replace('["redis"]', "[]"))
    return project


def test_a_detached_lampwork_answers_until_it_is_taken_down(quick: SampleProject):
    started = quick.run("up", "--detach")
    try:
        status = quick.run("status", "--json")
        told = json.loads(status.stdout)
        with urllib.request.urlopen(f"{told['origin']}/hello") as answer:
            said = json.load(answer)
        again = quick.run("up", "--detach")
    finally:
        stopped = quick.run("down")

    assert started.returncode == 0, started.stderr
    assert told["origin"] in started.stdout
    assert (status.returncode, told["running"]) == (0, True)
    assert said["greeting"] == "hello"
    assert again.returncode == 1
    assert "already running" in again.stderr
    assert (stopped.returncode, stopped.stdout) == (0, f"Stopped Lampwork (pid {told['pid']}).\n")
    assert quick.run("status").returncode == NOT_RUNNING
    assert quick.left_in_data() == set()


def test_nothing_runs_before_it_is_started_and_taking_that_down_is_no_error(quick: SampleProject):
    status, down = quick.run("status", "--json"), quick.run("down")

    assert status.returncode == NOT_RUNNING
    assert json.loads(status.stdout)["running"] is False
    assert down.returncode == 0
    assert "does not run" in down.stdout


def test_a_start_that_fails_in_the_background_is_told_with_its_status(quick: SampleProject):
    (quick.root / "template.yaml").write_text("Resources: [wrong")

    started = quick.run("up", "--detach")

    assert started.returncode == 1
    assert started.stderr.startswith("Error: ")
    assert "\x1b" not in started.stderr


def test_what_goes_into_a_pipe_has_no_colour(quick: SampleProject):
    quick.edit("hello.py", lambda code: code.replace("import json, os", "def ("))

    shown = [quick.run("routes"), quick.run("invoke", "Hello", "--no-event"), quick.run("--help")]

    assert "SyntaxError" in shown[1].stdout or "Syntax error" in shown[1].stdout
    assert all("\x1b" not in each.stdout + each.stderr for each in shown)
