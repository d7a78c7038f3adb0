"""Checks that what `make build` has made fits Lambda, and says how large it is.

python local/bundle_check.py .aws-sam/build
"""

import os
import re
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from local.bundle import ARCHITECTURE, NEWEST_GLIBC, PYTHON, compiler

# e_machine: https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html
MACHINES: Final = {"arm64": 183, "x86_64": 62}
UNCHECKED_HASH: Final = 1  # https://peps.python.org/pep-0552/
HTTP_MEGABYTES: Final = 90
LIMIT_MEGABYTES: Final = 250
TAG: Final = f"cpython-{PYTHON.replace('.', '')}"
DEPENDENCIES: Final = "DependenciesLayer"
PAINTING: Final = "PaintingLayer"


def problems(folder: Path, architecture: str) -> Iterator[str]:
    """What would fail or be slow on Lambda, in each layer and function of this build."""
    for library in sorted(folder.rglob("*.so*")):
        for problem in problems_of_library(library, architecture):
            yield f"{library.relative_to(folder)}: {problem}"
    if compiler() is None:  # the build has said so
        return
    for module in sorted(folder.rglob("*.py")):
        compiled = module.parent / "__pycache__" / f"{module.stem}.{TAG}.pyc"
        if not compiled.exists():
            yield f"{module.relative_to(folder)}: it is not compiled for Python {PYTHON}"
        elif struct.unpack_from("<I", compiled.read_bytes(), 4)[0] != UNCHECKED_HASH:
            yield f"{compiled.relative_to(folder)}: its validity depends on its module"


def problems_of_library(library: Path, architecture: str) -> Iterator[str]:
    content = library.read_bytes()
    if content[:4] != b"\x7fELF":
        return
    if struct.unpack_from("<H", content, 18)[0] != MACHINES[architecture]:
        yield f"it is not for {architecture}"
    versions = [int(each) for each in re.findall(rb"GLIBC_2\.(\d+)", content)]
    if versions and max(versions) > NEWEST_GLIBC:
        yield f"it needs glibc 2.{max(versions)}; Lambda has 2.{NEWEST_GLIBC}"
    if "cpython-" in library.name and TAG not in library.name:
        yield f"it is not for Python {PYTHON}"


def megabytes(folder: Path) -> float:
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file()) / 1_000_000


def built_functions(folder: Path) -> list[Path]:
    """A nested stack has a folder too, without code."""
    return sorted(each.parent for each in folder.glob("*/functions"))


def main(folder: Path) -> None:
    if not folder.is_dir():
        sys.exit(f"{folder} is not here: make build")
    architecture = os.environ.get(ARCHITECTURE, "arm64")
    found = list(problems(folder, architecture))
    dependencies, painting = megabytes(folder / DEPENDENCIES), megabytes(folder / PAINTING)
    for function in built_functions(folder):
        paints = function.name == "TasksGenerate"
        size = megabytes(function) + dependencies + (painting if paints else 0)
        print(f"{function.name:32} {size:6.1f} MB")  # noqa: T201 - a command
        limit = LIMIT_MEGABYTES if paints else HTTP_MEGABYTES
        if size > limit:
            found.append(f"{function.name}: {size:.1f} MB with its layers, of {limit}")
    sys.exit("\n".join(found[:50]) or None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
