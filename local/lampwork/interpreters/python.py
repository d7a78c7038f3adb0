"""The Pythons that functions run on: Lampwork's own, and others that are found on this machine."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

OLDEST: Final = (3, 11)
# The parts of the folder `ours` that Python searches first, and last.
OWN: Final = "own/site-packages"
REST: Final = "rest/site-packages"
PROBE_SECONDS: Final = 20
# What a Python tells of itself. It may be an old one, so this is written as Python 3.6 reads it.
PROBE: Final = """
import json, sys, sysconfig
paths = sysconfig.get_paths()
print(json.dumps({
    "version": list(sys.version_info[:3]),
    "prefix": sys.prefix,
    "base": [sys.base_prefix, getattr(sys, "_base_executable", sys.executable)],
    "library": [paths["stdlib"], paths["platstdlib"]],
    "search_path": [path for path in sys.path if path],
}))
"""


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter.

    `path` starts it, and `prefix` is its environment's folder. Python looks for modules in the
    folders `search_path`, of which `packages` hold no part of Python itself. It needs the `folders`
    where they are. `base` is the interpreter that its environment was made with.

    Where Lampwork is not installed for it, the folder `ours` brings what functions' processes need
    of it; see `importable`.
    """

    path: str
    version: tuple[int, int, int]
    prefix: str
    search_path: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()
    base: str = ""
    ours: str = ""

    @property
    def minor(self) -> str:
        """Such as 3.12."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def runtime(self) -> str:
        """As a template names it, such as python3.12."""
        return f"python{self.minor}"

    @property
    def programs(self) -> Path:
        """The folder with the programs of its environment."""
        return Path(self.path).parent

    @property
    def is_newer(self) -> bool:
        """Whether it may read code that Lampwork's own Python cannot."""
        return self.version[:2] > sys.version_info[:2]

    def command(self, module: str) -> list[str]:
        """What runs a module of Lampwork that may also be run by its path."""
        if self.ours:
            return [self.path, "-P", f"{self.ours}/{OWN}/{module.replace('.', '/')}.py"]
        return [self.path, "-P", "-m", module]


@cache
def own_python() -> Python:
    """The one that runs this."""
    return Python(
        path=sys.executable,
        version=sys.version_info[:3],
        prefix=sys.prefix,
        search_path=tuple(filter(None, sys.path)),
        packages=tuple(filter(None, sys.path)),
        folders=(sys.executable, sys.prefix, sys.base_prefix, *filter(None, sys.path)),
        base=getattr(sys, "_base_executable", sys.executable),
    )


def probe(path: str) -> Python | None:
    """What a Python says of itself; None if it cannot be run."""
    # Neither this process's variables nor its folder may change where it looks for modules.
    environment = {name: value for name, value in os.environ.items() if name[:6] != "PYTHON"}
    try:
        said = subprocess.run(
            [path, "-c", PROBE],
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
        return _python(path, json.loads(said.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None


def _python(path: str, told: dict[str, Any]) -> Python:
    search_path, library = told["search_path"], {os.path.realpath(each) for each in told["library"]}
    major, minor, micro = told["version"]
    prefix, (base_prefix, base) = told["prefix"], told["base"]
    return Python(
        path=path,
        version=(major, minor, micro),
        prefix=prefix,
        search_path=tuple(search_path),
        packages=tuple(each for each in search_path if not _is_library(each, library)),
        folders=(path, os.path.realpath(path), prefix, base_prefix, *search_path),
        base=base,
    )


def _is_library(folder: str, library: set[str]) -> bool:
    """Whether a folder holds Python's own modules: in a file of them, in `lib-dynload` too."""
    real = os.path.realpath(folder)
    inner = os.path.basename(real) == "lib-dynload" and os.path.dirname(real) in library
    return inner or real in library or folder.endswith(".zip")
