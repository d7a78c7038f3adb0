"""The Pythons that functions run on: Lampwork's own, and others that are found on this machine."""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

OLDEST: Final = (3, 11)
# The parts of the folder `ours` that Python searches first, and last.
OWN: Final = "own/site-packages"
REST: Final = "rest/site-packages"


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
