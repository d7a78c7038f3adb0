import asyncio
import sys
from collections.abc import Iterable
from pathlib import Path

from lampwork.runtime.launching.cold_launcher import ColdLauncher
from lampwork.runtime.launching.fork_launcher import ForkLauncher
from lampwork.runtime.launching.import_scanner import ImportScanner
from lampwork.runtime.launching.launcher import Launcher
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.user_code import editable_folders
from lampwork.stack.model import Function


class LauncherRegistry:
    """One launcher for each set of packages that functions bring along.

    All forks share the packages that were loaded before forking. Functions with other versions of
    them, from a layer or from requirements of their own, must be forked from another process.
    """

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        self._launchers: dict[tuple[Path, ...], Launcher] = {}
        self._scanners: dict[tuple[Path, ...], ImportScanner] = {}

    def launcher_for(self, function: Function) -> Launcher:
        """The launcher for this function's packages, which is made when it is first needed."""
        packages = function.packages
        if packages not in self._launchers:
            self._launchers[packages] = (
                ColdLauncher(self._settings.python)
                if self._settings.cold
                else ForkLauncher(self._settings.python, function.requirements)
            )
        return self._launchers[packages]

    async def preload(self, functions: Iterable[Function]) -> None:
        """Load what the functions import and what the settings name, unless every start is cold."""
        if self._settings.cold:
            return
        groups: dict[tuple[Path, ...], list[Function]] = {}
        for function in functions:
            groups.setdefault(function.packages, []).append(function)
        await asyncio.gather(*map(self._preload, groups.values()))

    async def stop(self) -> None:
        await asyncio.gather(*(launcher.stop() for launcher in self._launchers.values()))

    async def _preload(self, functions: list[Function]) -> None:
        packages = functions[0].packages
        scanner = self._scanners.setdefault(packages, _scanner(functions[0]))
        modules = await asyncio.to_thread(scanner.third_party, functions)
        await self.launcher_for(functions[0]).preload(modules | set(self._settings.preload))


def _scanner(function: Function) -> ImportScanner:
    own = function.requirements
    layers = [folder for folder in function.packages if folder != own]
    brought = [own, *editable_folders(own)] if own else []
    return ImportScanner([*brought, *sys.path], hidden=layers)
