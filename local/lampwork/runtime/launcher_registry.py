import asyncio
import contextlib
from collections.abc import Iterable, Sequence

from lampwork.runtime.forking.fork_launcher import ForkLauncher
from lampwork.runtime.forking.fork_servers import ForkServers
from lampwork.runtime.launching.cold_launcher import ColdLauncher
from lampwork.runtime.launching.launcher import Launcher
from lampwork.runtime.packages import NotInstalled
from lampwork.runtime.preloading.import_plan import ImportScanner
from lampwork.runtime.settings import RuntimeSettings
from lampwork.stack.model import Function


class LauncherRegistry:
    """What starts the processes of each function: forks of servers, or cold starts."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        self._cold = ColdLauncher(settings.python)
        self._servers = ForkServers(settings.python)
        self._scanner = ImportScanner()
        self._forking: dict[str, ForkLauncher] = {}
        self._installing: set[asyncio.Task[None]] = set()

    def launcher_for(self, function: Function) -> Launcher:
        """A launcher for this function with its present code."""
        if self._settings.cold:
            return self._cold
        launcher = ForkLauncher(function, self._settings, self._servers, self._scanner)
        self._forking[f"{function.logical_id}:{function.qualifier}"] = launcher
        return launcher

    async def preload(self, functions: Iterable[Function]) -> None:
        """Load what the functions import, unless every start is cold.

        Nobody waits for packages that have yet to be installed: those functions' are loaded later.
        """
        wanted = {function.logical_id: function for function in functions}
        for name, launcher in list(self._forking.items()):
            if launcher.function.logical_id not in wanted:
                del self._forking[name]
        ready = []
        for function in wanted.values():
            if function.is_node or self._settings.packages.are_installed(function):
                ready.append(function.logical_id)
            elif self._settings.install_ahead:
                task = asyncio.create_task(self._install_and_preload(function))
                self._installing.add(task)
                task.add_done_callback(self._installing.discard)
        launchers = [each for each in self._forking.values() if each.function.logical_id in ready]
        await self._preload(launchers)
        self._servers.retire_all_but([each.server for each in self._forking.values()])

    async def stop(self) -> None:
        for task in self._installing:
            task.cancel()
        await asyncio.gather(*self._installing, return_exceptions=True)
        await asyncio.gather(self._cold.stop(), self._servers.stop())

    async def _install_and_preload(self, function: Function) -> None:
        # What cannot be installed has been said, and each request for it is told.
        with contextlib.suppress(NotInstalled):
            await self._settings.packages.install(function)
            await self._preload(
                [
                    launcher
                    for launcher in self._forking.values()
                    if launcher.function.logical_id == function.logical_id
                ]
            )

    async def _preload(self, launchers: Sequence[ForkLauncher]) -> None:
        await self._servers.share([await launcher.world() for launcher in launchers])
        for launcher in launchers:
            await launcher.prepare()
