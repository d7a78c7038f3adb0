"""Finds a Python of a given version on this machine."""

import os
import re
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from lampwork.interpreters.probing import probe
from lampwork.interpreters.python import OLDEST, Python, own_python

VERSION: Final = re.compile(r"3\.\d+(\.\d+)?")
SHIMS: Final = "shims"  # of pyenv: scripts that may lead to no Python


def is_version(text: str) -> bool:
    """Whether a text is a version such as 3.12 or 3.12.1, and no path."""
    return VERSION.fullmatch(text) is not None


@cache
def find(version: str) -> Python | None:
    """The interpreter of a version, such as 3.12 or 3.12.1, outside of any environment.

    Lampwork's own comes first; then those on the PATH, of pyenv, of uv, of python.org and of
    Homebrew, in this order.
    """
    for path in _candidates(version):
        python = probe(path)
        if python is None or python.version[:2] < OLDEST or not _is(python, version):
            continue
        if python.base and os.path.realpath(python.base) != os.path.realpath(path):
            python = probe(python.base)  # of an environment, whose packages are not wanted
        if python is not None and _is(python, version):
            return python
    return None


def _is(python: Python, version: str) -> bool:
    return ".".join(map(str, python.version[: version.count(".") + 1])) == version


def _candidates(version: str) -> Iterator[str]:
    own = own_python()
    if _is(own, version) and own.base:
        yield own.base
    minor = ".".join(version.split(".")[:2])
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for each in folders:
        if Path(each).name != SHIMS and (found := shutil.which(f"python{minor}", path=each)):
            yield found
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT") or home / ".pyenv")
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local/share")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")
    for folder, pattern in (
        (pyenv / "versions", f"{minor}*/bin/python"),
        (uv, f"cpython-{minor}*/bin/python{minor}"),
        (Path("/Library/Frameworks/Python.framework/Versions"), f"{minor}/bin/python{minor}"),
        (Path("/opt/homebrew/opt"), f"python@{minor}/bin/python{minor}"),
        (Path("/usr/local/opt"), f"python@{minor}/bin/python{minor}"),
    ):
        yield from map(str, sorted(folder.glob(pattern), key=_by_number, reverse=True))


def _by_number(path: Path) -> list[int]:
    return [int(each) for each in re.findall(r"\d+", str(path))]
