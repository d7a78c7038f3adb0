import asyncio
import contextlib
import sys
from collections.abc import Iterable
from pathlib import Path

from lampwork.runtime.launching.cold_launcher import ColdLauncher
from lampwork.runtime.launching.fork_launcher import ForkLauncher
from lampwork.runtime.launching.import_scanner import ImportScanner
from lampwork.runtime.launching.launcher import Launcher
from lampwork.runtime.packages import NotInstalled
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
        self._installing: set[asyncio.Task[None]] = set()

    def launcher_for(self, function: Function) -> Launcher:
        """The launcher for this function's packages, which is made when it is first needed."""
        packages = function.packages
        if packages not in self._launchers:
            self._launchers[packages] = (
                ColdLauncher(self._settings.python)
                if self._settings.cold
                else ForkLauncher(
                    self._settings.python,
                    function.requirements,
                    lambda_paths=self._settings.lambda_paths,
                    multiprocessing=self._settings.multiprocessing,
                )
            )
        return self._launchers[packages]

    async def preload(self, functions: Iterable[Function]) -> None:
        """Load what the functions import and what the settings name, unless every start is cold.

        Nobody waits for packages that have yet to be installed: those functions' are loaded later.
        """
        groups: dict[tuple[Path, ...], list[Function]] = {}
        for function in functions:
            if function.is_node:
                continue
            groups.setdefault(function.packages, []).append(function)
        ready = []
        for group in groups.values():
            if self._settings.packages.are_installed(group[0]):
                ready.append(self._preload(group))
            elif self._settings.install_ahead:
                task = asyncio.create_task(self._install_and_preload(group))
                self._installing.add(task)
                task.add_done_callback(self._installing.discard)
        await asyncio.gather(*ready)

    async def stop(self) -> None:
        for task in self._installing:
            task.cancel()
        await asyncio.gather(*self._installing, return_exceptions=True)
        await asyncio.gather(*(launcher.stop() for launcher in self._launchers.values()))

    async def _install_and_preload(self, functions: list[Function]) -> None:
        # What cannot be installed has been said, and each request for it is told.
        with contextlib.suppress(NotInstalled):
            await self._settings.packages.install(functions[0])
            await self._preload(functions)

    async def _preload(self, functions: list[Function]) -> None:
        if self._settings.cold:
            return
        packages = functions[0].packages
        scanner = self._scanners.setdefault(packages, _scanner(functions[0]))
        modules = await asyncio.to_thread(scanner.third_party, functions)
        await self.launcher_for(functions[0]).preload(modules | set(self._settings.preload))


def _scanner(function: Function) -> ImportScanner:
    own = function.requirements
    layers = [folder for folder in function.packages if folder != own]
    brought = [own, *editable_folders(own)] if own else []
    return ImportScanner([*brought, *sys.path], hidden=layers)
