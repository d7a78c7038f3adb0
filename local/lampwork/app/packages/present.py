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


def holds(folder: Path, names: Iterable[str]) -> bool:
    """Whether all these packages are in the folder, by their metadata or as modules of the same
    names."""
    asked = [_normalized(name) for name in names]
    return bool(asked) and set(asked) <= _present(folder)


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
