"""Which files the processes beside the functions have opened, as sitecustomize.py tells."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from lampwork.companions.reading.sitecustomize import VARIABLE

HOOK: Final = Path(__file__).parent


class FilesRead:
    """Knows of each process by its name. Each start of it tells in a file of its own in `folder`:
    what its predecessor still opens does not count."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._starts = 0
        self._told: dict[str, Path] = {}

    def environment(self, name: str, variables: Mapping[str, str]) -> dict[str, str]:
        """These variables for the next start of this process, with those that let it tell."""
        self._starts += 1
        self._folder.mkdir(parents=True, exist_ok=True)
        self._told[name] = self._folder / f"{name}.{os.getpid()}-{self._starts}.files"
        path = [each for each in variables.get("PYTHONPATH", "").split(os.pathsep) if each]
        others = [each for each in path if each != f"{HOOK}"]
        return {
            **variables,
            VARIABLE: f"{self._told[name]}",
            "PYTHONPATH": os.pathsep.join((f"{HOOK}", *others)),
        }

    def read_any(self, name: str, files: Collection[Path]) -> bool:
        """Whether it has opened one of these files. One that tells nothing, since it does not run
        on Python, may have opened any."""
        try:
            told = self._told[name].read_bytes()
        except FileNotFoundError:
            return True
        opened = set(told.decode(errors="surrogateescape").splitlines())
        return any(os.path.realpath(file) in opened for file in files)

    def remove(self) -> None:
        """Remove what has been told, once no process is left."""
        for file in self._folder.glob("*.files"):
            file.unlink(missing_ok=True)
