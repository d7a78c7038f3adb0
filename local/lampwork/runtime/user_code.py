"""Which files are the user's own code, and which belong to an installed package.

The user's own code may change at any time: it is never preloaded, it is compiled anew after each
edit, and its files are watched. That holds wherever it lies: in the function's folder, in a layer,
or in a project that is installed in editable mode and lies elsewhere.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

# Where the packages of functions' requirements are installed, in the data folder; each set of them
# in a folder `site-packages` of its own.
REQUIREMENTS: Final = "requirements"
# The file in such a folder by which Python finds its editable projects, as `site` reads it.
EDITABLES: Final = "lampwork-editable.pth"

_PACKAGE_FOLDERS: Final = ("/site-packages", "/dist-packages")
_NEVER_OWN: Final = (
    os.path.dirname(os.__file__) + "/",  # the standard library
    str(Path(__file__).parents[1]) + "/",  # Lampwork, which may be installed in editable mode
)


def is_installed(path: str) -> bool:
    """Whether a file or folder belongs to an installed package, Python or Lampwork itself, as far
    as its absolute path tells."""
    return _is_below_packages(path) or f"{path}/".startswith(_NEVER_OWN)


def editable_folders(packages: Path) -> Iterator[Path]:
    """The folders that editable projects in a folder of requirements add to Python's path."""
    file = packages / EDITABLES
    if file.is_file():
        for line in file.read_text().splitlines():
            if line and not line.startswith(("#", "import ", "import\t")):
                yield packages / line


@dataclass(frozen=True, slots=True)
class UserCode:
    """What one function's process takes for the user's own code.

    `own` are the folders that are the user's wherever they lie: the function's and its layers'.
    What else lies below the emulator's `data` folder is not.
    """

    own: tuple[str, ...]
    data: str

    @classmethod
    def of(cls, code_dir: str, search_path: str, data: str) -> Self:
        """`search_path` is the function's PYTHONPATH."""
        layers = [each for each in search_path.split(":") if os.path.isdir(each)]
        mine = [each for each in layers if not _is_below(each, f"{data}/{REQUIREMENTS}")]
        return cls((code_dir, *mine), data)

    def holds(self, path: str) -> bool:
        """Whether the path lies in one of its own folders."""
        return any(_is_below(path, folder) for folder in self.own)

    def __contains__(self, path: str) -> bool:
        """`path` is absolute."""
        holders = [folder for folder in self.own if _is_below(path, folder)]
        if _is_below(path, self.data):
            holders = [folder for folder in holders if _is_below(folder, self.data)]
        elif not holders:
            return not is_installed(path)
        return any(not _is_below_packages(path[len(folder) :]) for folder in holders)


def _is_below(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _is_below_packages(path: str) -> bool:
    return any(f"{folder}/" in f"{path}/" for folder in _PACKAGE_FOLDERS)
