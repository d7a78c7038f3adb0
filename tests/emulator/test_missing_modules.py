import sys
from pathlib import Path

import pytest

from lampwork.stack.missing_modules import MissingModules
from lampwork.stack.model import Function

# As awslambdaric logs it.
LINE = (
    "[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named {!r}"
    "\rTraceback (most recent call last):"
)


@pytest.mark.parametrize(
    ("code", "module", "advice"),
    [
        ("work", "yaml", "name its package in {root}/work/requirements.txt. Lampwork installs it"),
        ("work", "google.cloud", "Work needs the module google: name its package in"),
        (".", "yaml", f"install its package where Lampwork is, as `{sys.executable} -m pip inst"),
        (".aws-sam/build/Work", "yaml", "run `sam build` again"),
        ("work", "ours.absent", "needs the module ours, of which a part is missing in {root}/work"),
    ],
)
def test_it_says_where_a_package_that_is_not_installed_belongs(
    tmp_path: Path, code: str, module: str, advice: str
) -> None:
    said: list[str] = []
    (tmp_path / code / "ours").mkdir(parents=True)
    function = Function("Work", "work", "app.handler", tmp_path / code)
    missing = MissingModules(tmp_path, said.append)

    for _ in range(2):
        missing.read(LINE.format(module), function)

    assert len(said) == 1
    assert advice.format(root=tmp_path) in said[0]
    missing.forget()
    missing.read(LINE.format(module), function)
    assert len(said) == 2


@pytest.mark.parametrize(
    ("method", "advice"),
    [
        ("makefile", "install its package where Lampwork is"),
        ("python-uv", "name its package in {root}/work/pyproject.toml"),
        ("python3.13", "name its package in {root}/work/requirements.txt"),
    ],
)
def test_it_depends_on_how_the_function_is_built(tmp_path: Path, method: str, advice: str) -> None:
    said: list[str] = []
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "pyproject.toml").touch()
    function = Function("Work", "work", "app.handler", tmp_path / "work", build_method=method)

    MissingModules(tmp_path, said.append).read(LINE.format("yaml"), function)

    assert advice.format(root=tmp_path) in said[0]


def test_other_lines_say_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    function = Function("Work", "work", "app.handler", tmp_path)

    MissingModules(tmp_path, said.append).read("No module named 'yaml'", function)

    assert said == []
