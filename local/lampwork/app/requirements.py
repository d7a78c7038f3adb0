"""Packages that one function, or a layer, asks for in a requirements.txt beside its code."""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from lampwork.errors import StartError
from lampwork.stack.model import Function

FILE: Final = "requirements.txt"
SHOWN_LINES: Final = 12


def with_requirements(
    functions: Mapping[str, Function], root: Path, data: Path, say: Callable[[str], None]
) -> dict[str, Function]:
    """The functions, each with a folder of the packages its own requirements.txt asks for, and one
    for each of its layers that is still to be built.

    They are installed once for a content of the file and a version of Python, and stay in `data`.
    The file in the project's own folder, `root`, is not looked at: what it names belongs into the
    environment that Lampwork itself runs in.

    Raises:
        StartError: they cannot be installed; says what the installer says.
    """

    def packages(folder: Path, whose: str) -> Path | None:
        own = folder.resolve() != root.resolve()
        return _installed(folder / FILE, data, whose, say) if own else None

    return {
        logical_id: replace(
            function,
            requirements=packages(function.code_dir, logical_id),
            layer_requirements=tuple(
                found
                for layer in reversed(function.layers)
                if layer in function.source_layers
                and (found := packages(layer, f"a layer of {logical_id}"))
            ),
        )
        for logical_id, function in functions.items()
    }


def _installed(file: Path, data: Path, whose: str, say: Callable[[str], None]) -> Path | None:
    if not file.is_file():
        return None
    content = file.read_bytes()
    asked_for = list(_asked_for(content.decode("utf-8", "replace")))
    if not asked_for:
        return None
    # A path means another file in another folder; a name from an index is the same everywhere.
    where = str(file) if any(each[0] in "./-" for each in asked_for) else ""
    name = hashlib.sha256(f"{sys.version}{where}".encode() + content).hexdigest()[:32]
    folder = data.resolve() / "requirements" / name
    if not folder.is_dir():
        say(f"Installing what {file} asks for, for {whose}, into {folder}")
        _install(file, folder)
    return folder


def _asked_for(content: str) -> Iterator[str]:
    lines = (line.partition("#")[0].strip() for line in content.splitlines())
    return (line for line in lines if line)


def _install(file: Path, folder: Path) -> None:
    """Into a draft first, so that a folder by this name is whole."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, suffix=".tmp"))
    command = [*_installer(), "--quiet", "--target", str(draft), "-r", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=file.parent)
    if result.returncode:
        shutil.rmtree(draft)
        said = "\n".join(f"  {line}" for line in result.stderr.splitlines()[-SHOWN_LINES:])
        raise StartError(f"{file} cannot be installed by `{' '.join(command[:3])}`:\n{said}")
    try:
        os.replace(draft, folder)
    except OSError:  # another function asks for the same, and was quicker
        shutil.rmtree(draft)


def _installer() -> list[str]:
    """uv where there is one, else the pip of this Python."""
    beside = Path(sys.executable).with_name("uv")
    if uv := (str(beside) if beside.is_file() else shutil.which("uv")):
        return [uv, "pip", "install", "--python", sys.executable]
    if importlib.util.find_spec("pip") is None:
        raise StartError(f"A function's {FILE} needs uv or pip to be installed: install uv.")
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
