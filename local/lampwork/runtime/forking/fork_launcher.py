import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from lampwork.errors import StartError
from lampwork.runtime.forking.fork_server_process import ForkedProcess, ForkServerEnded
from lampwork.runtime.forking.fork_servers import ForkServers, Left, Server
from lampwork.runtime.launching.launcher import Launch
from lampwork.runtime.preloading.import_plan import ImportScanner, Step
from lampwork.runtime.preloading.loaded import PER_PROCESS, World, differing
from lampwork.runtime.preloading.own_names import own_names
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.user_code import EDITABLES, editable_folders
from lampwork.runtime.world.launch import launch_of
from lampwork.stack.model import Function

logger = logging.getLogger(__name__)


class ForkLauncher:
    """Starts the processes of one function, as it is now, as forks of a fork server.

    The first is forked from a server that others share, unless a server `of_its_own` is wanted: it
    loads the rest itself, which takes it no longer. Further ones come from a server that has loaded
    all that the function imports. `on_rest` is called when the last of them has ended.
    """

    def __init__(
        self,
        function: Function,
        settings: RuntimeSettings,
        servers: ForkServers,
        scanner: ImportScanner,
        of_its_own: Callable[[], bool],
        on_rest: Callable[["ForkLauncher"], None],
    ) -> None:
        self.was_used = False
        self.server: Server | None = None  # from which it was last forked
        self._former: Server | None = None  # from which it was before its code changed
        self.function = function
        self._settings = settings
        self._servers = servers
        self._scanner = scanner
        self._of_its_own = of_its_own
        self._on_rest = on_rest
        self._processes = 0
        # Whether all is loaded that it shares with others.
        self._sharing: asyncio.Event | None = None
        self._unfit: Left = {}
        self._found: tuple[tuple[Step, ...], frozenset[str]] | None = None
        self._world: World | None = None  # in which it was last forked

    async def spawn(self, launch: Launch, log: int, channel: int) -> ForkedProcess:
        for _ in range(2):
            server = await self._server_to_fork(await self._world_of(launch))
            try:
                process = await server.process.spawn(launch, log, channel)
            except ForkServerEnded:
                logger.warning("the fork server ended and is started again")
            else:
                self.was_used = True
                self._processes += 1
                process.exited.add_done_callback(self._note_end)
                return process
        raise StartError("The fork server ended twice. Try `--cold`.")

    async def prepare(self) -> None:
        """Have the packages that the function imports loaded."""
        await self._server(await self.world())

    @property
    def held(self) -> list[Server | None]:
        """The servers that it needs, or may need again."""
        return [self.server, self._former]

    def follow(self, before: "ForkLauncher") -> None:
        """Replace what started the function as it was before."""
        self.was_used = before.was_used
        self._former = before.server or before._former

    def rest(self) -> None:
        """Give up the server of its own, until the function is used again."""
        self.was_used = False
        self.server = self._former = None

    def await_sharing(self) -> None:
        """Fork nothing until `has_shared`: what the function shares with others is being loaded."""
        self._sharing = asyncio.Event()

    def has_shared(self) -> None:
        if self._sharing is not None:
            self._sharing.set()

    async def world(self) -> World:
        """What the function imports, and the surroundings in which it does."""
        return await self._world_of(launch_of(self.function, self._settings, "", Path()))

    def _note_end(self, _: object) -> None:
        self._processes -= 1
        if not self._processes:
            self._on_rest(self)

    async def _server_to_fork(self, world: World) -> Server:
        if self._sharing is not None:
            await self._sharing.wait()
        if self.was_used or self._of_its_own():
            return await self._server(world)
        return await self._servers.nearest(world, self._unfit)

    async def _server(self, world: World) -> Server:
        server, before = self.server, self._world
        if (
            server is None
            or before is None
            or not server.process.running
            or before.lambda_paths != world.lambda_paths
            or differing([before.environment, world.environment]) - PER_PROCESS
        ):
            server = await self._servers.server_for(world, self._unfit)
            self.server, self._world, self._former = server, world, None
        return server

    async def _world_of(self, launch: Launch) -> World:
        if self._found is None:
            self._found = await asyncio.to_thread(self._find, launch)
        steps, own = self._found
        function = self.function
        return World(
            steps,
            launch.environment,
            launch.root,
            self._settings.python_of(function),
            own,
            str(function.requirements) if function.requirements else None,
            lambda_paths=launch.world is not None,
            multiprocessing=launch.multiprocessing,
        )

    def _find(self, launch: Launch) -> tuple[tuple[Step, ...], frozenset[str]]:
        function = self.function
        if launch.program or launch.wrapper_script or function.web_adapter:
            return (), frozenset()
        if self._has_libraries() or self._has_import_hooks():
            return (), frozenset()
        requirements = function.requirements
        layers = [folder for folder in function.packages if folder != requirements]
        steps = self._scanner.steps(
            function.handler, function.code_dir, requirements, layers, self._settings.preload
        )
        editables = [each for folder in self._required() for each in editable_folders(folder)]
        return steps, own_names(map(str, (function.code_dir, *layers, *editables)))

    def _required(self) -> tuple[Path, ...]:
        own = (self.function.requirements,) if self.function.requirements else ()
        return (*own, *self.function.layer_requirements)

    def _has_import_hooks(self) -> bool:
        """Whether editable projects bring hooks, which may find modules of any name."""
        files = [folder / EDITABLES for folder in self._required()]
        return any("import " in file.read_text() for file in files if file.is_file())

    def _has_libraries(self) -> bool:
        """Whether the dynamic loader may find the function's own libraries in place of others.

        It reads where to look, LD_LIBRARY_PATH, when a process starts, and it remembers what is not
        there.
        """
        return any(".so" in name for name in self._library_names())

    def _library_names(self) -> Iterator[str]:
        function = self.function
        for folder in (
            *(function.code_dir, function.code_dir / "lib"),
            *(layer / "lib" for layer in function.layers),
        ):
            if folder.is_dir():
                yield from os.listdir(folder)
