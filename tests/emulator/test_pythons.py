"""On which Python functions run: the project's own, and the one that their Runtime names."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from lampwork.app.pythons.asked import asked_by
from lampwork.app.pythons.choice import Pythons
from lampwork.app.pythons.own_imports import needs
from lampwork.config.project_config import Config
from lampwork.errors import ConfigurationError
from lampwork.interpreters.finding import find
from lampwork.interpreters.probing import probe
from lampwork.interpreters.python import Python, own_python
from tests.emulator.lampwork_process import SampleProject
from tests.emulator.runtime_fixtures import function, running, write
from tests.skips import needs_another_python

OWN = f"{sys.version_info[0]}.{sys.version_info[1]}"
TELLS = """
    import sys

    def handler(event, context):
        return {"version": "%d.%d" % sys.version_info[:2], "prefix": sys.prefix}
"""


@pytest.fixture
def other() -> Python:
    """A Python of another version than that of these tests."""
    return needs_another_python(
        each for minor in (12, 13, 14, 11) if (each := find(f"3.{minor}")) and each.minor != OWN
    )


def config(root: Path, python: str = "") -> Config:
    return Config(root, root / "template.yaml", root / ".lampwork", root / ".env", python=python)


def chosen(root: Path, *functions, python: str = "", times: int = 1):
    """The functions with their Pythons, and what the user is told in so many loads."""
    said: list[str] = []
    pythons = Pythons(root / ".lampwork", said.append)
    by_id = {each.logical_id: each for each in functions}
    for _ in range(times):
        assigned = asyncio.run(pythons.assign(config(root, python), by_id))
    return list(assigned.values()), said


def with_module(python: str, folder: Path, name: str) -> None:
    """Put a module into an environment, as an installer would."""
    found = probe(python)
    assert found
    (site,) = [each for each in found.packages if each.startswith(str(folder))]
    Path(site, f"{name}.py").write_text(f"WORD = {name!r}\n")


# --- Which is chosen ------------------------------------------------------------------------------


def test_without_anything_that_says_otherwise_functions_run_on_lampworks_own(tmp_path: Path):
    (plain,), said = chosen(tmp_path, function(tmp_path, TELLS, runtime=f"python{OWN}"))

    assert plain.python == own_python()
    assert said == []


def test_a_function_runs_on_the_version_that_its_runtime_names(tmp_path: Path, other: Python):
    (mixed,), said = chosen(tmp_path, function(tmp_path, TELLS, runtime=other.runtime))

    assert mixed.python.minor == other.minor
    assert said[0].startswith(f"App: run on Python {other.minor}")
    assert "as the Runtime says" in said[0]


def test_a_function_stays_where_the_packages_are_that_it_imports(tmp_path: Path, other: Python):
    importing = function(tmp_path, f"\n    import pytest{TELLS}", runtime=other.runtime)

    (kept,), said = chosen(tmp_path, importing)

    assert kept.python == own_python()
    assert "its environment has what they import (pytest)" in said[0]


def test_a_runtime_that_is_not_here_is_said_once_with_what_runs_instead(tmp_path: Path):
    several = [
        function(tmp_path, TELLS, name=name, runtime="python3.99") for name in ("one", "two")
    ]

    assigned, said = chosen(tmp_path, *several, times=2)

    assert [each.python for each in assigned] == [own_python()] * 2
    assert len(said) == 1
    assert said[0].startswith("One, Two: run on Python")
    assert said[0].endswith(" in place of 3.99: no Python 3.99 is found here.")


def test_a_python_that_is_named_runs_all_functions(tmp_path: Path, other: Python):
    plain = function(tmp_path, TELLS, runtime=f"python{OWN}")

    (named,), said = chosen(tmp_path, plain, python=other.path)

    assert named.python.path == other.path
    assert f"--python {other.path} names it" in said[0]


@pytest.mark.parametrize("named", ["/nowhere/python", "no-such-python", "3.99"])
def test_a_python_that_is_not_here_is_refused(tmp_path: Path, named: str):
    with pytest.raises(ConfigurationError, match=r"--python: .*here"):
        chosen(tmp_path, function(tmp_path, TELLS), python=named)


def test_a_python_that_is_too_old_is_refused(tmp_path: Path):
    old = tmp_path / "python3.9"
    told = {
        **{"version": [3, 9, 1], "prefix": "/old", "base": ["/old", str(old)]},
        **{"library": ["/old/lib", "/old/lib"], "search_path": []},
    }
    old.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
    old.chmod(0o755)

    with pytest.raises(ConfigurationError, match=r"Python 3\.9, and functions run on 3\.11"):
        chosen(tmp_path, function(tmp_path, TELLS), python=str(old))


def test_a_requirements_file_that_cannot_be_read_is_told_and_stops_nobody(tmp_path: Path):
    (tmp_path / "requirements.txt").write_text("-r nowhere.txt\n")

    (plain,), said = chosen(tmp_path, function(tmp_path, TELLS, runtime=f"python{OWN}"))

    assert plain.python == own_python()
    assert "requirements.txt:1: there is no nowhere.txt. Functions run on" in said[0]


# --- What a project asks for ----------------------------------------------------------------------


def test_a_lock_of_uv_gives_the_versions_of_what_the_project_asks_for(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "shop"\n'
        'dependencies = ["idna>=3", "colorama; sys_platform == \'win32\'"]\n'
    )
    (tmp_path / "uv.lock").write_text(
        '[[package]]\nname = "idna"\nversion = "3.10"\nsource = { registry = "x" }\n'
        '[[package]]\nname = "shop"\nversion = "1.0"\nsource = { virtual = "." }\n'
        '[[package]]\nname = "numpy"\nversion = "1.0"\nsource = { registry = "x" }\n'
        '[[package]]\nname = "numpy"\nversion = "2.0"\nsource = { registry = "x" }\n'
    )

    asked = asked_by(tmp_path)

    assert asked is not None
    assert asked.file.name == "uv.lock"
    assert asked.requirements.names == ["idna"]
    assert asked.constraints == ("idna==3.10",)


def test_a_lock_of_poetry_gives_the_versions_of_what_the_project_asks_for(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text(
        "[tool.poetry.dependencies]\n"
        'python = "^3.12"\nidna = "^3.4"\nhttpx = {version = "*", extras = ["http2"]}\n'
        'redis = {version = "^5", optional = true}\n'
    )
    (tmp_path / "poetry.lock").write_text(
        '[[package]]\nname = "idna"\nversion = "3.10"\n'
        '[[package]]\nname = "ours"\nversion = "1.0"\nsource = { type = "git", url = "x" }\n'
    )

    asked = asked_by(tmp_path)

    assert asked is not None
    assert asked.requirements.lines == ["idna", "httpx[http2]"]
    assert asked.constraints == ("idna==3.10",)


def test_a_requirements_file_without_a_requirement_asks_for_nothing(tmp_path: Path):
    (tmp_path / "requirements.txt").write_text("# none yet\n")

    assert asked_by(tmp_path) is None


@pytest.mark.parametrize(
    "line", ["import pytest", "    import os, pytest as p", "from pytest import mark"]
)
def test_an_import_of_a_package_is_seen_wherever_it_stands(tmp_path: Path, line: str):
    write(tmp_path, "deep.app", f"def f():\n    if True:\n        {line}\n")

    assert needs(tmp_path, own_python()) == "pytest"


@pytest.mark.parametrize("line", ["import json", "import boto3", "import own", "# import pytest"])
def test_python_lambda_and_the_function_itself_bring_the_rest(tmp_path: Path, line: str):
    write(tmp_path, "app", line)
    write(tmp_path, "own", "")

    assert needs(tmp_path, own_python()) is None


# --- How they run ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cold", [False, True])
async def test_functions_of_several_pythons_run_beside_each_other(
    tmp_path: Path, other: Python, cold: bool
):
    ours = function(tmp_path / "ours", TELLS, name="ours", runtime=f"python{OWN}")
    theirs = function(
        tmp_path / "theirs",
        f"\n    import boto3, awslambdaric{TELLS}",
        name="theirs",
        runtime=other.runtime,
    )
    pythons = Pythons(tmp_path / ".lampwork", lambda said: None)
    assigned = await pythons.assign(config(tmp_path), {"Ours": ours, "Theirs": theirs})

    async with running(*assigned.values(), cold=cold, init_seconds=60) as run:
        assert (await run.result("Ours"))["version"] == OWN
        assert (await run.result("Theirs"))["version"] == other.minor


def test_a_project_with_a_venv_runs_on_it_and_so_do_its_commands(
    project: SampleProject, other: Python, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("LAMPWORK_PYTHON")
    venv = project.root / ".venv"
    subprocess.run([other.path, "-m", "venv", "--without-pip", str(venv)], check=True)
    with_module(f"{venv}/bin/python", venv, "theirs")
    project.edit("hello.py", lambda code: f"import theirs, sys\n{code}")
    project.edit("hello.py", lambda code: code.replace('"hello"', "[theirs.WORD, sys.prefix]"))
    project.configure("""
[[tool.lampwork.commands]]
name = "which"
run = ["python", "-c", "import theirs, sys; print(sys.prefix)"]
""")

    answer = project.run("invoke", "Hello", "--no-event")

    assert json.loads(answer.stdout)["greeting"] == ["theirs", str(venv)], answer.stderr
    assert f"{venv} is the project's" in answer.stderr
