"""What is said of a handler before anything runs it."""

from pathlib import Path

import pytest

from lampwork.stack.handler_check import HandlerProblems
from lampwork.stack.model import Function


def told(folder: Path, handler: str) -> list[str]:
    said: list[str] = []
    layer = folder / "layer"
    template = folder / "template.yaml"
    function = Function(
        *("Hello", "hello", handler, folder / "code"), layers=(layer,), template=template
    )
    HandlerProblems(said.append).tell([function])
    return said


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("code", "layer/python/wrapper"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "layer/python/wrapper/entry.py").touch()
    (tmp_path / "code/compiled.abi3.so").touch()
    return tmp_path


@pytest.mark.parametrize("handler", ["wrapper.entry.run", "httpx.get", "compiled.handler"])
def test_a_module_of_a_layer_or_a_package_and_a_compiled_one_are_not_judged(folder, handler):
    assert told(folder, handler) == []


@pytest.mark.parametrize("handler", ["wrapper.exit.run", "no_such_package.handler"])
def test_a_module_that_is_nowhere_is_told(folder, handler):
    assert "has no module" in told(folder, handler)[0]
