"""What functions' processes need of Lampwork, for Pythons in which it is not installed.

It is a folder of links. `own/site-packages`, which Python searches first, has the package lampwork
and AWS's runtime client; `rest/site-packages`, which it searches last, has what that needs and what
Lambda brings: boto3. All of it is pure Python, or runs without its compiled parts.
"""

import hashlib
import importlib.metadata
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path
from typing import Final

from lampwork.interpreters.python import OWN, REST

FIRST: Final = "awslambdaric"
OTHERS: Final = ("boto3", "debugpy")  # Lambda brings boto3; debugpy is an extra
PACKAGE: Final = Path(__file__).parents[1]
COMPILED: Final = (".so", ".pyd")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


def importable(data: Path) -> Path:
    """The folder of links, below the folder `data`. It is made once for what is installed."""
    found = _distributions()
    kept = "\n".join(f"{name} {each.version}" for name, each in sorted(found.items()))
    key = hashlib.sha256(f"{PACKAGE}\n{sys.prefix}\n{sys.version}\n{kept}".encode()).hexdigest()
    whole = data.resolve() / "pythons" / f"lampwork-{key[:16]}"
    if not whole.is_dir():
        whole.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=whole.parent, suffix=".tmp"))
        _fill(draft, found)
        try:
            draft.rename(whole)
        except OSError:  # another process was faster
            shutil.rmtree(draft)
    return whole


@cache
def brought() -> frozenset[str]:
    """The modules that functions find without asking for them."""
    parts = frozenset[str]().union(*map(_parts, _distributions().values()))
    return frozenset(name.removesuffix(".py") for name in parts)


def _fill(folder: Path, found: dict[str, Distribution]) -> None:
    own, rest = folder / OWN, folder / REST
    own.mkdir(parents=True)
    rest.mkdir(parents=True)
    (own / "lampwork").symlink_to(PACKAGE)
    for name, distribution in found.items():
        place = own if name == FIRST else rest
        for part in _parts(distribution):
            (place / part).symlink_to(os.path.realpath(f"{distribution.locate_file(part)}"))


def _parts(distribution: Distribution) -> set[str]:
    """What a distribution has installed beside others: packages, modules and its metadata."""
    first = {file.parts[0] for file in distribution.files or () if file.parts}
    return {
        name
        for name in first
        if name not in ("..", "__pycache__") and not name.endswith(COMPILED) and name[0] != "/"
    }


def _distributions() -> dict[str, Distribution]:
    """Those that are wanted, and all that these need."""
    found: dict[str, Distribution] = {}
    wanted = [FIRST, *OTHERS]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        try:
            found[name] = importlib.metadata.distribution(name)
        except PackageNotFoundError:  # an extra that is not installed
            continue
        wanted += _needed(found[name].requires or ())
    return found


def _needed(requirements: Iterable[str]) -> Iterator[str]:
    """The names of requirements, without those of extras."""
    for each in requirements:
        if "extra ==" not in each and (name := _NAME.match(each)):
            yield name[0].lower()
