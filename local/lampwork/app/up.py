import asyncio
import resource
import ssl
import time
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

from lampwork.app.lock import DataLock
from lampwork.app.project import Options, Project
from lampwork.app.reload import Change, Watched, Watcher
from lampwork.app.requirements import FILE as REQUIREMENTS
from lampwork.companions.project_processes import ProjectProcesses
from lampwork.concurrency import run_all
from lampwork.errors import LampworkError
from lampwork.front.server import Front
from lampwork.http.listener import Listener, is_loopback
from lampwork.logs.log import Log
from lampwork.stack import ways_in
from lampwork.triggers.asynchronous.destinations import Destinations
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.running import RunningSources
from lampwork.triggers.source import Surroundings

OPEN_TO_OTHERS: Final = (
    "Listening on {}: whoever reaches this machine can run its functions, and read what they keep."
)


class Up:
    """A project with its front, triggers and processes, and a watch on its files."""

    def __init__(self, options: Options, log: Log, *, reload: bool) -> None:
        self._options = options
        self._log = log
        self._reload = reload
        self._config = options.read_config()

    async def run(self) -> None:
        """Serve until cancelled, then stop everything.

        Raises:
            LampworkError: it cannot start.
        """
        began = time.monotonic()
        _allow_many_sockets()
        async with AsyncExitStack() as opened:
            lock = DataLock(self._config.data)
            lock.acquire()
            opened.callback(lock.release)
            self._log.open(self._config.data)
            opened.callback(self._log.close)
            await self._open_project(opened)
            await self._open_watch(opened)
            await self._open_front(opened)
            lock.announce(self._project.origin)
            self._say_ready(time.monotonic() - began)
            opened.callback(self._log.say, "Stopping.")
            await (self._watcher.wait() if self._reload else asyncio.Event().wait())

    async def _open_project(self, opened: AsyncExitStack) -> None:
        port = await self._find_port()
        self._project = Project(self._config, self._options, self._log, port)
        self._processes = ProjectProcesses(self._config, self._project.line)
        await self._project.open(opened)
        self._project.tell_problems()

    async def _open_watch(self, opened: AsyncExitStack) -> None:
        self._watcher = Watcher(self._watched(), self._take)
        if self._reload:
            await self._watcher.start()
            opened.push_async_callback(self._watcher.stop)

    async def _open_front(self, opened: AsyncExitStack) -> None:
        project, config = self._project, self._config
        if not is_loopback(config.host):
            self._log.line("lampwork", OPEN_TO_OTHERS.format(config.host))
        self._events = EventInvocations(
            project.functions, project.stack.functions, time_scale=self._options.time_scale
        )
        self._front = Front(
            project.stack,
            project.functions,
            data_dir=config.data,
            host=config.host,
            port=project.port,
            allowed_hosts=config.allowed_hosts,
            metrics=project.metrics,
            time_scale=self._options.time_scale,
            aws=project.services.aws_address,
            events=self._events,
            on_access=partial(project.line, "lampwork"),
        )
        await self._front.start()
        opened.push_async_callback(self._front.stop)
        opened.push_async_callback(self._processes.stop)
        await self._processes.start(project.variables, project.stack.functions)
        self._open_sources(opened)

    def _open_sources(self, opened: AsyncExitStack) -> None:
        project = self._project
        aws = project.services.aws
        if aws is not None:
            self._events.outlet = Destinations(aws.url, project.config.region, self._events)
        surroundings = Surroundings(
            invoker=project.functions,
            events=self._events,
            region=project.config.region,
            metrics=project.metrics,
            say=partial(project.line, "lampwork"),
            aws=aws,
            sqs_endpoint=project.sqs_endpoint,
            intervals=project.config.schedules,
            time_scale=self._options.time_scale,
        )
        self._sources = RunningSources(self._options.sources, surroundings)
        opened.push_async_callback(self._sources.stop)
        self._sources.start(project.stack)

    async def _find_port(self) -> int:
        """The configured port, for 0 a free one. Taken ones are found now and not at the end."""
        host, port = self._config.host, self._config.port
        probe = Listener(lambda _: asyncio.Protocol(), _no_tls, host=host, port=port)
        await probe.start()
        found = probe.port
        probe.stop()
        return found

    def _say_ready(self, seconds: float) -> None:
        self._log.say(f"\n{self._ways_in()}\n")
        self._log.say(f"Lampwork is up: {self._project.origin}   ({seconds:.1f} s)")

    def _ways_in(self) -> str:
        return ways_in.table(self._project.stack, self._options.sources, self._config.schedules)

    def _watched(self) -> Watched:
        config = self._project.config
        files = [config.template, config.env_file, *config.sam_files]
        files += [config.file] if config.file else []
        functions = self._project.stack.functions.values()
        files += [file.resolve() for file in self._project.stack.files]
        files += {
            folder / REQUIREMENTS
            for function in functions
            for folder in (function.code_dir, *function.source_layers)
        }
        code_dirs = {
            folder for function in functions for folder in (function.code_dir, *function.layers)
        }
        return Watched(code_dirs, files, [config.data])

    async def _take(self, change: Change) -> None:
        """Let saved files take effect. What is wrong is said, and all goes on as before."""
        try:
            await self._take_settings() if change.settings else await self._take_code()
        except LampworkError as error:
            self._log.line("lampwork", f"{error}")

    async def _take_settings(self) -> None:
        project = self._project
        before = project.stack
        if await project.read_again():
            sources, intervals = self._options.sources, project.config.schedules
            for change in ways_in.changes(before, project.stack, sources, intervals):
                self._log.line("lampwork", change)
            self._watcher.watch(self._watched())
            self._front.update(project.stack)
            await self._sources.update(project.stack)
            await self._take_code()

    async def _take_code(self) -> None:
        project = self._project
        await run_all(
            project.functions.reload(project.stack.functions),
            self._processes.restart(project.variables, project.stack.functions),
        )
        project.tell_problems()
        self._log.line("lampwork", "Reloaded: from now on requests run what was saved.")


def _allow_many_sockets() -> None:
    """A shell's usual limit of 1,024 open files is fewer sockets than a WebSocket API may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _no_tls() -> ssl.SSLContext:
    raise AssertionError("The probe of a port accepts no client.")
