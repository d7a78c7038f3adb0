"""Says where to put a package that a function imports and that is not installed."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lampwork.interpreters.python import own_python
from lampwork.stack.model import Function

_MISSING: Final = re.compile(r"\[ERROR\] .*\bNo module named '([A-Za-z_]\w*)")
_BUILT: Final = ".aws-sam"


class MissingModules:
    """Reads functions' logs, and says once for each function and module what to do.

    `root` is the template's folder, whose requirements.txt is not the emulator's to install.
    """

    def __init__(self, root: Path, say: Callable[[str], None]) -> None:
        self._root = root.resolve()
        self._say = say
        self._told: set[tuple[str, str]] = set()

    def forget(self) -> None:
        """Say it again, since something has been saved."""
        self._told.clear()

    def read(self, line: str, function: Function) -> None:
        found = _MISSING.match(line.partition("\r")[0])
        if found is None or (function.logical_id, found[1]) in self._told:
            return
        self._told.add((function.logical_id, found[1]))
        self._say(self._advice(found[1], function))

    def _advice(self, module: str, function: Function) -> str:
        place = function.code_dir.resolve()
        needs = f"{function.logical_id} needs the module {module}"
        own = [place / module, place / f"{module}.py"]
        if any(path.exists() for path in own):
            return f"{needs}, of which a part is missing in {place}."
        if _BUILT in place.parts:
            return (
                f"{needs}: run `sam build` again, or run Lampwork with the template that it builds."
            )
        python = function.python or own_python()
        by_makefile = function.build_method == "makefile"
        if by_makefile or place == self._root or not place.is_relative_to(self._root):
            if python.prefix != sys.prefix:
                return (
                    f"{needs}: name its package in what the project asks for, or install it into"
                    f" {python.prefix}."
                )
            return (
                f"{needs}: install its package where Lampwork is, as"
                f" `{sys.executable} -m pip install {module}` does if it has the same name."
            )
        with_uv = function.build_method == "python-uv" and (place / "pyproject.toml").is_file()
        file = place / ("pyproject.toml" if with_uv else "requirements.txt")
        return f"{needs}: name its package in {file}. Lampwork installs it when you save the file."
