"""Whether a function's code imports packages that only an environment has."""

import os
import re
import sys
from collections.abc import Collection, Iterator
from functools import cache
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Final

from lampwork.interpreters.importable import brought
from lampwork.interpreters.python import Python

IMPORT: Final = re.compile(rb"^[ \t]*(?:from[ \t]+([A-Za-z_]\w*)|import[ \t]+([^#;\n]+))", re.M)
MOST_FILES: Final = 2000
NOT_CODE: Final = frozenset(("__pycache__", "node_modules", "site-packages", "venv"))


def needs(folder: Path, python: Python) -> str | None:
    """The name of a package that some file in the folder imports and only this Python's environment
    has; None if there is none. Lambda itself brings boto3."""
    present = _modules_in(python.packages) - sys.stdlib_module_names - brought()
    left = present - _names_in(str(folder))
    return next((name for name in _imported(folder) if name in left), None) if left else None


def _imported(folder: Path) -> Iterator[str]:
    read = 0
    for parent, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in NOT_CODE and each[0] != "."]
        for name in files:
            if name.endswith(".py"):
                read += 1
                if read > MOST_FILES:
                    return
                yield from _imports_of(f"{parent}/{name}")


def _imports_of(file: str) -> Iterator[str]:
    try:
        with open(file, "rb") as opened:
            code = opened.read()
    except OSError:
        return
    for module, several in IMPORT.findall(code):
        for part in [module] if module else several.split(b","):
            words = part.split()
            yield words[0].split(b".")[0].decode(errors="replace") if words else ""


@cache
def _modules_in(folders: Collection[str]) -> frozenset[str]:
    return frozenset[str]().union(*map(_names_in, folders))


def _names_in(folder: str) -> frozenset[str]:
    """The packages and modules in a folder."""
    try:
        entries = os.listdir(folder)
    except OSError:
        return frozenset()
    found = set()
    for entry in entries:
        suffix = next((each for each in all_suffixes() if entry.endswith(each)), "")
        name = entry.removesuffix(suffix)
        if name.isidentifier():
            found.add(name)
    return frozenset(found)
