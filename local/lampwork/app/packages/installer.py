"""Installs packages into a folder, with uv where it is found and with pip otherwise."""

import asyncio
import csv
import importlib.util
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import unquote, urlsplit

from lampwork.errors import StartError
from lampwork.interpreters.python import Python
from lampwork.runtime.user_code import EDITABLES

SHOWN_LINES: Final = 12


@dataclass(frozen=True, slots=True)
class LocalProject:
    """A project of this machine that was installed as a copy, because another one asks for it."""

    name: str
    folder: Path


async def install(
    lines: Sequence[str],
    folder: Path,
    *,
    place: Path,
    python: Python,
    rebuilt: Sequence[str] = (),
) -> list[LocalProject]:
    """Install into `folder` what these lines of a requirements file ask for, for this Python.

    It is done in a draft first, so that the folder is complete as soon as it exists. `place` is
    where the installer runs, which decides which configuration files it reads. The local projects
    in `rebuilt` are built again even if uv has kept an earlier build.

    Raises:
        StartError: they cannot be installed; the message quotes the installer.
    """
    whole = folder.parent
    whole.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=whole.parent, suffix=".tmp"))
    try:
        asked = draft / "requirements.txt"
        asked.write_text("".join(f"{line}\n" for line in lines))
        target = draft / folder.name
        await _run([*_command(python, rebuilt), "--target", str(target), "-r", str(asked)], place)
        copied = _with_editables_in_one_file(target)
        # Another project may have asked for the same, and its installation ended first.
        if not whole.exists():
            os.replace(draft, whole)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return copied


def name_of_installer() -> str:
    return "pip" if _uv() is None else "uv"


async def _run(command: Sequence[str], place: Path) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=place, stdout=pipe, stderr=pipe)
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = said.decode(errors="replace").splitlines()[-SHOWN_LINES:]
        raise StartError("\n".join(f"  {line}" for line in lines))


async def install_into(
    python: Python, lines: Sequence[str], constraints: Sequence[str], place: Path
) -> None:
    """Install what these lines ask for into the environment of this Python, where Lampwork keeps
    the `constraints` of a lock. `place` is where the installer runs.

    Raises:
        StartError: they cannot be installed; the message quotes the installer.
    """
    with tempfile.TemporaryDirectory(prefix="lampwork-") as folder:
        asked = _written(f"{folder}/requirements.txt", lines)
        pinned = _written(f"{folder}/constraints.txt", constraints)
        await _run([*_command(python, ()), "-r", asked, "-c", pinned], place)


def _written(file: str, lines: Sequence[str]) -> str:
    Path(file).write_text("".join(f"{line}\n" for line in lines))
    return file


def _command(python: Python, rebuilt: Sequence[str]) -> list[str]:
    """The command of uv if it is installed, else of Lampwork's own pip."""
    if uv := _uv():
        again = [part for name in rebuilt for part in ("--reinstall-package", name)]
        return [uv, "pip", "install", "--quiet", "--python", python.path, *again]
    if importlib.util.find_spec("pip") is None:
        raise StartError("  There is no uv and, in Lampwork's environment, no pip. Install uv.")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    other = [] if python.prefix == sys.prefix else ["--python", python.path]
    return [*pip, *other, "install"]


def _uv() -> str | None:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.is_file() else shutil.which("uv")


def _with_editables_in_one_file(target: Path) -> list[LocalProject]:
    """Leave in the folder only the .pth lines of editable projects, in the file that functions'
    processes read; Lambda runs none. Returns the local projects that were copied instead."""
    lines: list[str] = []
    copied: list[LocalProject] = []
    for metadata in sorted(target.glob("*.dist-info")):
        origin = _origin(metadata)
        if "dir_info" not in origin:
            continue
        if origin["dir_info"].get("editable"):
            for file in _path_files(metadata):
                lines += file.read_text().splitlines()
        else:
            name = metadata.name.split("-")[0]
            copied.append(LocalProject(name, Path(unquote(urlsplit(origin["url"]).path))))
    for file in target.glob("*.pth"):
        file.unlink()
    if lines:
        (target / EDITABLES).write_text("".join(f"{line}\n" for line in lines))
    return copied


def _origin(metadata: Path) -> dict[str, Any]:
    """https://packaging.python.org/en/latest/specifications/direct-url-data-structure/"""
    file = metadata / "direct_url.json"
    return cast("dict[str, Any]", json.loads(file.read_text())) if file.is_file() else {}


def _path_files(metadata: Path) -> Iterator[Path]:
    with (metadata / "RECORD").open(newline="") as record:
        for row in csv.reader(record):
            if row and row[0].endswith(".pth"):
                yield metadata.parent / row[0]
