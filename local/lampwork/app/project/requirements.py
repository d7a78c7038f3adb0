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
from lampwork.runtime.user_code import REQUIREMENTS
from lampwork.stack.model import Function

FILE: Final = "requirements.txt"
SHOWN_LINES: Final = 12


def with_requirements(
    functions: Mapping[str, Function], root: Path, data: Path, say: Callable[[str], None]
) -> dict[str, Function]:
    """Install what the functions' requirements.txt files ask for.

    Returns the functions, each with the folder of its own packages and one folder for each of its
    layers that is not built yet. Packages are installed into `data`, once for each content of the
    file and version of Python. The requirements.txt in the project's own folder, `root`, is not
    read: what it names belongs in the environment that Lampwork itself runs in.

    Raises:
        StartError: they cannot be installed; the message quotes the installer.
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
    # A relative path means different files in different folders, so the folder is part of the key;
    # the name of a package means the same everywhere.
    where = str(file) if any(each[0] in "./-" for each in asked_for) else ""
    name = hashlib.sha256(f"{sys.version}{where}".encode() + content).hexdigest()[:32]
    folder = data.resolve() / REQUIREMENTS / name / "site-packages"
    if not folder.is_dir():
        say(f"Installing what {file} asks for, for {whose}, into {folder}")
        _install(file, folder)
    return folder


def _asked_for(content: str) -> Iterator[str]:
    lines = (line.partition("#")[0].strip() for line in content.splitlines())
    return (line for line in lines if line)


def _install(file: Path, folder: Path) -> None:
    """Install into a draft folder first, so that a folder of the final name is always complete."""
    place = folder.parent
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=place.parent, suffix=".tmp"))
    target = str(draft / folder.name)
    command = [*_installer(), "--quiet", "--target", target, "-r", str(file)]
    result = subprocess.run(command, capture_output=True, text=True, cwd=file.parent)
    if result.returncode:
        shutil.rmtree(draft)
        said = "\n".join(f"  {line}" for line in result.stderr.splitlines()[-SHOWN_LINES:])
        raise StartError(f"{file} cannot be installed by `{' '.join(command[:3])}`:\n{said}")
    try:
        os.replace(draft, place)
    except OSError:  # another function asks for the same, and its installation ended first
        shutil.rmtree(draft)


def _installer() -> list[str]:
    """The command of uv if it is installed, else of this Python's pip."""
    beside = Path(sys.executable).with_name("uv")
    if uv := (str(beside) if beside.is_file() else shutil.which("uv")):
        return [uv, "pip", "install", "--python", sys.executable]
    if importlib.util.find_spec("pip") is None:
        raise StartError(f"Lampwork needs uv or pip for a function's {FILE}. Install uv.")
    return [sys.executable, "-m", "pip", "install", "--disable-pip-version-check"]
