"""What the emulator reports about a handler before anything runs it."""

from pathlib import Path

import pytest

from lampwork.stack.handler_check import HandlerProblems
from lampwork.stack.model import Function


def problems(folder: Path, handler: str) -> list[str]:
    reported: list[str] = []
    layer = folder / "layer"
    template = folder / "template.yaml"
    function = Function(
        *("Hello", "hello", handler, folder / "code"), layers=(layer,), template=template
    )
    HandlerProblems(reported.append).tell([function])
    return reported


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("code", "layer/python/wrapper"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "layer/python/wrapper/entry.py").touch()
    (tmp_path / "code/compiled.abi3.so").touch()
    return tmp_path


@pytest.mark.parametrize("handler", ["wrapper.entry.run", "httpx.get", "compiled.handler"])
def test_modules_of_layers_and_packages_and_compiled_modules_are_not_checked(folder, handler):
    assert problems(folder, handler) == []


@pytest.mark.parametrize("handler", ["wrapper.exit.run", "no_such_package.handler"])
def test_a_missing_module_is_reported(folder, handler):
    assert "has no module" in problems(folder, handler)[0]
