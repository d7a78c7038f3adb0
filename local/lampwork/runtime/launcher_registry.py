import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

from lampwork.errors import StartError
from lampwork.interpreters.python import Python
from lampwork.runtime.extensions.programs import extension_files
from lampwork.runtime.forking import program
from lampwork.runtime.forking.fork_launcher import ForkLauncher
from lampwork.runtime.forking.fork_servers import ForkServers
from lampwork.runtime.launching.cold_launcher import ColdLauncher
from lampwork.runtime.launching.launcher import Launcher
from lampwork.runtime.packages import NotInstalled
from lampwork.runtime.preloading.import_plan import ImportScanner
from lampwork.runtime.settings import RuntimeSettings
from lampwork.stack.model import Function

logger = logging.getLogger(__name__)

# So few functions have servers of their own from the start; of more, those that are used, since a
# server takes about 10 MB.
FEW_FUNCTIONS = 8


class LauncherRegistry:
    """What starts the processes of each function: forks of servers, or cold starts."""

    def __init__(self, settings: RuntimeSettings, scanner: ImportScanner | None = None) -> None:
        self._settings = settings
        self._colds: dict[Python, ColdLauncher] = {}
        self._servers = ForkServers()
        self._scanners = {settings.python: scanner} if scanner else {}
        self._forking: dict[str, ForkLauncher] = {}
        self._preparing = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def launcher_for(self, function: Function) -> Launcher:
        """A launcher for this function with its present code."""
        python = self._settings.python_of(function)
        # Extensions have variables of their own, and an address that differs by environment.
        if self._settings.cold or extension_files(function):
            return self._colds.setdefault(python, ColdLauncher(python))
        launcher = ForkLauncher(
            function,
            self._settings,
            self._servers,
            self._scanner_for(python),
            of_its_own=self._are_few,
            on_rest=self._rest,
        )
        before = self._forking.get(_key(function))
        if before is not None:
            launcher.follow(before)
        self._forking[_key(function)] = launcher
        return launcher

    async def start(self, functions: Iterable[Function]) -> None:
        """Start the servers that have loaded nothing yet, unless every start is cold.

        Raises:
            StartError: none can be started.
        """
        if not self._settings.cold:
            ready = self._ready(functions)
            await self._servers.start([await launcher.world() for launcher in ready])
        program.discard()

    async def preload(self, functions: Iterable[Function]) -> None:
        """Load what the functions share, and then, in the background, what each has for itself.

        Nobody waits for packages that have yet to be installed: those functions' are loaded later.
        A function is loaded as triggers call it; its other aliases and versions, which have the
        same code, find the same servers when somebody names them.
        """
        wanted = {function.logical_id: function for function in functions}
        for name, launcher in list(self._forking.items()):
            if launcher.function.logical_id not in wanted:
                del self._forking[name]
        if self._settings.install_ahead:
            for function in wanted.values():
                if not self._is_ready(function):
                    self._begin(self._install_and_preload(function))
        launchers = self._ready(wanted.values())
        await self._servers.share([await launcher.world() for launcher in launchers])
        if len(launchers) == 1:
            await self._prepare(launchers)
        else:
            self._begin(self._share_and_prepare(launchers))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self._servers.stop(), *(each.stop() for each in self._colds.values()))

    def _scanner_for(self, python: Python) -> ImportScanner:
        if python not in self._scanners:
            self._scanners[python] = ImportScanner(python.packages)
        return self._scanners[python]

    def _ready(self, functions: Iterable[Function]) -> list[ForkLauncher]:
        """What forks these functions, where their packages are here."""
        return [
            self._forking[key]
            for function in functions
            if (key := _key(function)) in self._forking and self._is_ready(function)
        ]

    def _is_ready(self, function: Function) -> bool:
        return function.is_node or self._settings.packages.are_installed(function)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _install_and_preload(self, function: Function) -> None:
        # What cannot be installed has been said, and each request for it is told.
        with contextlib.suppress(NotInstalled):
            await self._settings.packages.install(function)
            await self._prepare(self._ready([function]))

    async def _share_and_prepare(self, launchers: Sequence[ForkLauncher]) -> None:
        self._preparing += 1
        if not self._servers.have_shared:  # else after an edit, which need not wait
            for launcher in launchers:
                launcher.await_sharing()
        try:
            worlds = [await launcher.world() for launcher in launchers]
            async for number in self._servers.share_parts(worlds):
                launchers[number].has_shared()
        except StartError as error:  # which a request will be told, too
            logger.warning("%s", error)
        finally:
            self._preparing -= 1
            for launcher in launchers:
                launcher.has_shared()
        await self._prepare(launchers)

    async def _prepare(self, launchers: Iterable[ForkLauncher]) -> None:
        """Load what each function has for itself, if they are few."""
        self._preparing += 1
        try:
            for launcher in launchers if self._are_few() else ():
                await launcher.prepare()
        except StartError as error:
            logger.warning("%s", error)
        finally:
            self._preparing -= 1
        self._retire_unused()

    def _are_few(self) -> bool:
        return len({each.function.logical_id for each in self._forking.values()}) <= FEW_FUNCTIONS

    def _rest(self, launcher: ForkLauncher) -> None:
        """No process of the function runs any more; its next one may be long in coming, unless its
        code has just changed."""
        if self._forking.get(_key(launcher.function)) is launcher and not self._are_few():
            launcher.rest()
            self._retire_unused()

    def _retire_unused(self) -> None:
        if not self._preparing:
            held = [server for each in self._forking.values() for server in each.held]
            self._servers.retire_all_but(held)


def _key(function: Function) -> str:
    return f"{function.logical_id}:{function.qualifier}"
