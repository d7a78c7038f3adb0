"""docs/developing.md as a list of what it tells one to do, and the doing."""

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

PAGE = ROOT / "docs" / "developing.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"`([\w/]+\.py)`")
COPIED = ("functions", "shared", "migrations", "local", "tests", "docs", "requirements", "deploy")
FILES = ("alembic.ini", "pyproject.toml", "template.yaml", "Makefile", "README.md")


@dataclass(frozen=True)
class Commands:
    text: str


@dataclass(frozen=True)
class NewFile:
    path: str
    text: str


@dataclass(frozen=True)
class Edit:
    """Lines of a file, and what takes their place."""

    path: str
    old: str
    new: str


def steps() -> Iterator[Commands | NewFile | Edit]:
    """What the page tells one to do, in its order. A change is of the file that was named last."""
    page, end, path = PAGE.read_text(), 0, ""
    for block in BLOCK.finditer(page):
        path = [path, *FILE.findall(page[end : block.start()])][-1]
        end = block.end()
        if block[1] == "sh":
            yield Commands(block[2])
        elif block[1] == "python":
            yield NewFile(path, block[2])
        elif block[1] == "diff":
            yield Edit(path, _side(block[2], "-"), _side(block[2], "+"))


def _side(diff: str, mark: str) -> str:
    return "".join(line[1:] for line in diff.splitlines(keepends=True) if line[0] in (" ", mark))


def copy_repository(folder: Path) -> Path:
    copy = folder / "repository"
    for name in COPIED:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    _lend_environment(copy / ".venv")
    return copy


def _lend_environment(folder: Path) -> None:
    """This repository's virtual environment, which `make` takes for the copy's own."""
    (folder / "bin").mkdir(parents=True)
    for name in ("lib", "pyvenv.cfg"):
        (folder / name).symlink_to(Path(sys.prefix) / name)
    for program in (Path(sys.prefix) / "bin").iterdir():
        if program.name != ".ready":
            (folder / "bin" / program.name).symlink_to(program)
    (folder / "bin" / ".ready").touch()
