"""Which Python each function runs on, and why."""

import asyncio
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import which
from typing import Final

from lampwork.app.pythons.asked import Asked, asked_by
from lampwork.app.pythons.environments import Environments
from lampwork.app.pythons.own_imports import needs
from lampwork.config.project_config import Config
from lampwork.errors import ConfigurationError
from lampwork.interpreters.finding import find, is_version
from lampwork.interpreters.probing import probe
from lampwork.interpreters.python import OLDEST, Python, own_python
from lampwork.stack.model import Function

RUNTIME: Final = re.compile(r"python(3\.\d+)")
# What the environments of `uv tool`, `uvx` and pipx have or are called.
MARKS_OF_TOOLS: Final = ("uv-receipt.toml", "pipx_metadata.json", "pipx_expired_venv")
FOLDERS_OF_TOOLS: Final = frozenset(("archive-v0", "pipx"))
SHOWN_NAMES: Final = 3
OWN_REQUIREMENTS: Final = ("requirements.txt", "pyproject.toml")


@dataclass(frozen=True, slots=True)
class Main:
    """The Python of the project, and why it is. `asked` is what Lampwork has installed for it.

    With `by_runtime`, functions run on the versions that they name, where these are found; else
    only those do that need nothing of this Python's environment. A `fixed` one runs them all.
    """

    python: Python
    why: str = ""
    asked: Asked | None = None
    by_runtime: bool = False
    fixed: bool = False


class Pythons:
    """Chooses the Python of each function. `say` tells the user once what is chosen and why."""

    def __init__(self, data: Path, say: Callable[[str], None]) -> None:
        self._environments = Environments(data, say)
        self._say = say
        self._told: set[str] = set()
        self._main = Main(own_python())

    @property
    def main(self) -> Python:
        """The Python of the project, on which its commands run too."""
        return self._main.python

    @property
    def files(self) -> set[Path]:
        """The files that decide what is installed for the whole project."""
        return self._main.asked.files if self._main.asked else set()

    async def assign(
        self, config: Config, functions: Mapping[str, Function]
    ) -> dict[str, Function]:
        """The functions, each with its Python.

        Raises:
            ConfigurationError: the Python that is named is not there, or is too old.
            StartError: what the project asks for cannot be installed.
        """
        self._main = await self._chosen(config)
        if self._main.why:
            self._tell(f"Functions run on {_shown(self._main.python)}: {self._main.why}.")
        outcomes: dict[str, list[Function]] = {}
        assigned = dict(functions)
        for logical_id, function in functions.items():
            wanted = RUNTIME.fullmatch(function.runtime)
            if wanted is None or function.is_node or wanted[1] == self.main.minor:
                python, outcome = self.main, ""
            else:
                python, outcome = await self._other(function, wanted[1], config)
            assigned[logical_id] = replace(function, python=python)
            outcomes.setdefault(outcome, []).append(function)
        for outcome, group in outcomes.items():
            if outcome:
                self._tell(f"{_names(group)}: {outcome}")
        return assigned

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            self._say(text)

    async def _chosen(self, config: Config) -> Main:
        if config.python:
            return await self._named(config)
        places = list(dict.fromkeys((config.template.parent, config.root)))
        for place in places:
            path = place / ".venv" / "bin" / "python"
            if path.exists():
                python = await asyncio.to_thread(_probed, path)
                if python is not None and python.version[:2] >= OLDEST:
                    usable = await asyncio.to_thread(self._environments.usable, python)
                    is_own = usable is own_python()
                    return Main(usable, "" if is_own else f"{place / '.venv'} is the project's")
                self._tell(
                    f"{path} is not used: "
                    + ("it does not run." if python is None else f"{_too_old(python)}.")
                )
        is_tool = _is_of_a_tool()
        try:
            asked = next(filter(None, map(asked_by, places)), None)
        except ConfigurationError as error:
            if is_tool:
                raise
            self._tell(f"{error} Functions run on {_shown(own_python())}.")
            asked = None
        if is_tool or (asked and not asked.is_in(own_python().packages)):
            base = find(own_python().minor) or own_python()
            python = await self._environments.made(base, asked)
            why = f"{asked.file} is installed for it" if asked else "the project has no packages"
            return Main(python, why, asked, by_runtime=True)
        return Main(own_python())

    async def _named(self, config: Config) -> Main:
        """What --python says, or the configuration."""
        named = config.python
        why = f"--python {named} names it"
        if not is_version(named):
            path = await asyncio.to_thread(_program, named)
            python = await asyncio.to_thread(_probed, Path(path)) if path else None
            if python is None:
                raise ConfigurationError(f"--python: {named} is no Python that runs here.")
            _refuse_old(python, named)
            usable = await asyncio.to_thread(self._environments.usable, python)
            return Main(usable, "" if usable is own_python() else why, fixed=True)
        base = await asyncio.to_thread(find, named)
        if base is None:
            raise ConfigurationError(
                f"--python: no Python {named} is found here, of {_oldest()} or later. Install it"
                f" (`uv python install {named}`), or give the path of one."
            )
        places = dict.fromkeys((config.template.parent, config.root))
        asked = next(filter(None, map(asked_by, places)), None)
        return Main(await self._environments.made(base, asked), why, asked, fixed=True)

    async def _other(self, function: Function, wanted: str, config: Config) -> tuple[Python, str]:
        """The Python for a function whose runtime is not the project's, and a line about it."""
        main = self._main
        instead = f"run on {_shown(main.python)} in place of {wanted}"
        if main.fixed:
            return main.python, f"{instead}: --python names it."
        if not main.by_runtime and not _has_requirements(function, config):
            package = await asyncio.to_thread(needs, function.code_dir.resolve(), main.python)
            if package is not None:
                return main.python, f"{instead}: its environment has what they import ({package})."
        base = await asyncio.to_thread(find, wanted)
        if base is None:
            return main.python, f"{instead}: no Python {wanted} is found here."
        python = await self._environments.made(base, main.asked)
        return python, f"run on {_shown(base)}, as the Runtime says."


def _has_requirements(function: Function, config: Config) -> bool:
    """Whether Lampwork installs what the function asks for apart."""
    folder = function.code_dir.resolve()
    if folder == config.template.parent.resolve():
        return False
    return any((folder / name).is_file() for name in OWN_REQUIREMENTS)


def _probed(path: Path) -> Python | None:
    # Most often it is Lampwork's own, which need not be started to know it.
    own = Path(sys.executable)
    if path.resolve() == own.resolve() and path.parent.resolve() == own.parent.resolve():
        return own_python()
    return probe(str(path))


def _program(named: str) -> str | None:
    """The Python that a path leads to: its own, that of an environment's folder, or a command's."""
    path = Path(named)
    if path.is_dir():
        path = path / "bin" / "python"
    if path.is_file():
        return str(path)
    return which(named)


def _is_of_a_tool() -> bool:
    """Whether Lampwork's own environment was made for it alone, by `uvx`, `uv tool` or pipx."""
    prefix = Path(sys.prefix)
    marked = any((prefix / name).exists() for name in MARKS_OF_TOOLS)
    return marked or not FOLDERS_OF_TOOLS.isdisjoint(prefix.parts)


def _refuse_old(python: Python, named: str) -> None:
    if python.version[:2] < OLDEST:
        raise ConfigurationError(f"--python {named}: {_too_old(python)}.")


def _too_old(python: Python) -> str:
    return f"it is Python {python.minor}, and functions run on {_oldest()} or later"


def _oldest() -> str:
    return ".".join(map(str, OLDEST))


def _shown(python: Python) -> str:
    return f"Python {'.'.join(map(str, python.version))} ({python.path})"


def _names(functions: Iterable[Function]) -> str:
    names = [each.logical_id for each in functions]
    more = len(names) - SHOWN_NAMES
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:SHOWN_NAMES])} and {more} more"
