"""Whether a folder of code holds the packages that its requirements.txt asks for.

`sam build` puts them there, and so do people who vendor them.
"""

import re
from collections.abc import Iterable
from importlib.machinery import all_suffixes
from pathlib import Path
from typing import Final

_METADATA: Final = (".dist-info", ".egg-info")
_BUILT: Final = ".aws-sam"


def holds(folder: Path, names: Iterable[str], projects: Iterable[str]) -> bool:
    """Whether all these packages and local projects are in the folder.

    A package may be there by its metadata or as a module of the same name. A project must have been
    installed there: its modules alone may be the project itself, without what it asks for.
    """
    asked, local = (set(map(_normalized, each)) for each in (names, projects))
    installed = {_normalized(_package(path)) for path in folder.glob("*.dist-info")}
    return bool(asked | local) and asked <= _present(folder) and local <= installed


def is_built(folder: Path) -> bool:
    """Whether `sam build` made this folder: it resolved the paths of a requirements.txt elsewhere,
    so they lead nowhere from here."""
    return _BUILT in folder.parts and any(folder.glob("*.dist-info"))


def _present(folder: Path) -> set[str]:
    return {_normalized(_package(path)) for path in folder.iterdir()}


def _package(path: Path) -> str:
    if path.suffix in _METADATA:
        return path.stem.split("-")[0]
    for suffix in all_suffixes():
        if path.name.endswith(suffix):
            return path.name.removesuffix(suffix)
    return path.name if path.is_dir() else ""


def _normalized(name: str) -> str:
    """https://packaging.python.org/en/latest/specifications/name-normalization/"""
    return re.sub(r"[-_.]+", "-", name).lower()
