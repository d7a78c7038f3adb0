import asyncio
import contextlib
import gc
import os
import resource
import ssl
import time
from collections.abc import Collection
from contextlib import AsyncExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lampwork.app.following import Following
from lampwork.app.lock import DataLock, LockOwner
from lampwork.app.packages.package_sizes import too_large
from lampwork.app.project.options import Options
from lampwork.app.project.project import Project
from lampwork.app.ready_file import prepare, ready
from lampwork.app.reload import Change, Watched, Watcher, import_watch, watched_files
from lampwork.app.testing.control import TestControl, until_input_ends
from lampwork.app.testing.invocations import WatchedFunctions
from lampwork.companions.project_processes import ProjectProcesses
from lampwork.errors import LampworkError
from lampwork.history.history import History
from lampwork.history.store import HistoryUnavailable
from lampwork.http import internal_paths
from lampwork.http.listener import Listener, is_loopback
from lampwork.http.request import Request
from lampwork.http.responses import Response
from lampwork.invocation.port import Invoker
from lampwork.logs.log import Log
from lampwork.runtime.packages import NotInstalled
from lampwork.stack import entry_points
from lampwork.stack.handler_check import syntax_errors
from lampwork.triggers.asynchronous.destinations import Destinations
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.durable.executions import DurableFunctions
from lampwork.triggers.made_mappings import MadeMappings
from lampwork.triggers.running_sources import RunningSources
from lampwork.triggers.source import SourceContext

if TYPE_CHECKING:
    from lampwork.console.app import Console

OPEN_TO_OTHERS: Final = (
    "Listening on {}: whoever reaches this machine can run its functions, and read what they keep."
)


class Up:
    """A project with its front, triggers and processes, and a watch on its files."""

    def __init__(
        self, options: Options, log: Log, *, reload: bool, ready_file: Path | None = None
    ) -> None:
        self._options = options
        self._log = log
        self._ready_file = ready_file
        self._say = partial(log.line, "lampwork")
        self._reload = reload
        self._config = options.read_config()
        self._broken: set[Path] = set()  # saved, and not yet followed
        self._console: Console | None = None

    async def run(self) -> None:
        """Serve until cancelled, then stop everything.

        Raises:
            LampworkError: it cannot start.
        """
        began = time.monotonic()
        _allow_many_sockets()
        async with AsyncExitStack() as opened:
            lock = self._open_data_folder(opened)
            if self._ready_file is not None:
                prepare(self._ready_file)
            await self._open_project(opened)
            await self._open_watch(opened)
            await self._open_front(opened)
            await self._open_processes(opened)
            self._open_sources(opened)
            self._front.console = self._serve_console
            lock.announce(self._as_owner())
            if self._ready_file is not None:
                opened.enter_context(ready(self._ready_file, self._project.origin))
            self._say_ready(time.monotonic() - began)
            gc.freeze()  # no collection need look at what the start has made
            gc.enable()
            opened.callback(self._log.say, "Stopping.")
            measuring = asyncio.create_task(self._report_sizes())
            opened.callback(measuring.cancel)
            await self._until_stopped()

    async def _until_stopped(self) -> None:
        if self._options.testing:
            await until_input_ends()
        else:
            await (self._watcher.wait() if self._reload else asyncio.Event().wait())

    async def _report_sizes(self) -> None:
        """Name the functions that are too large for Lambda, once their packages are here."""
        project = self._project
        functions = [each for each in project.stack.functions.values() if not each.is_node]
        for function in functions:
            with contextlib.suppress(NotInstalled):  # it has been said
                await project.installations.install(function)
        for problem in await asyncio.to_thread(lambda: list(too_large(functions))):
            self._say(problem)

    def _as_owner(self) -> LockOwner:
        project = self._project
        services = project.services.placeholders()
        return LockOwner(os.getpid(), project.origin, f"{self._config.template}", services)

    def _open_data_folder(self, opened: AsyncExitStack) -> DataLock:
        lock = DataLock(self._config.data)
        lock.acquire()
        opened.callback(lock.release)
        self._log.open(self._config.data)
        opened.callback(self._log.close)
        return lock

    async def _open_project(self, opened: AsyncExitStack) -> None:
        port = await self._find_port()
        self._history = self._open_history(opened)
        self._project = Project(
            *(self._config, self._options, self._log, port),
            install_ahead=True,
            recorder=self._history,
        )
        self._processes = ProjectProcesses(self._config, self._project.log_line, self._log.keep)
        self._following = Following(self._preload, self._restart_processes, self._say)
        await self._project.open(opened, meanwhile=self._import_rest)
        self._project.report_problems()

    def _open_history(self, opened: AsyncExitStack) -> History | None:
        if not self._config.history.invocations:
            return None
        try:
            history = History(self._config.data, self._config.history)
        except HistoryUnavailable as error:
            self._say(f"No history is kept: {error}.")
            return None
        opened.push_async_callback(history.stop)
        return history

    async def _import_rest(self) -> None:
        """Import what takes requests and watches files while other processes load packages: it
        takes 90 ms."""
        import_module("lampwork.front.server")
        if self._reload:
            await import_watch()

    async def _open_watch(self, opened: AsyncExitStack) -> None:
        self._watcher = Watcher(self._watched(), self._project.read_files, self._apply)
        self._project.installations.on_copied = lambda: self._watcher.watch(self._watched())
        if self._reload:
            await self._watcher.start()
            opened.push_async_callback(self._watcher.stop)

    def _watched(self) -> Watched:
        project = self._project
        files = project.installations.files | project.pythons.files
        return watched_files(project.config, project.stack, files)

    async def _open_front(self, opened: AsyncExitStack) -> None:
        project, config = self._project, self._config
        if not is_loopback(config.host):
            self._say(OPEN_TO_OTHERS.format(config.host))
        invoker: Invoker = project.functions
        if self._options.testing:
            invoker = watched = WatchedFunctions(
                project.functions, lambda: project.stack.functions, project.functions.restart
            )
            self._test_control = TestControl(project, watched)
        self._durable = DurableFunctions(
            invoker,
            project.stack.functions,
            folder=config.data / "durable",
            say=project.log_line,
            time_scale=self._options.time_scale,
        )
        opened.push_async_callback(self._durable.stop)
        self._events = EventInvocations(
            self._durable, project.stack.functions, time_scale=self._options.time_scale
        )
        self._mappings = MadeMappings(config.data / "mappings.json", project.services.aws)
        self._mappings.update(project.stack)
        from lampwork.front.server import Front

        self._front = Front(
            project.stack,
            self._durable,
            data_dir=config.data,
            host=config.host,
            port=project.port,
            allowed_hosts=config.allowed_hosts,
            metrics=project.metrics,
            time_scale=self._options.time_scale,
            aws=project.services.aws_address,
            events=self._events,
            mappings=self._mappings,
            durable=self._durable,
            history=self._history,
            guard=project.guard,
            options=self._options.front,
            testing=self._test_control.serve if self._options.testing else None,
            on_access=partial(project.log_line, "lampwork"),
        )
        await self._front.start()
        self._durable.start()
        opened.push_async_callback(self._front.stop)

    async def _serve_console(self, request: Request) -> Response:
        """What the console answers. It is loaded when somebody first looks."""
        if self._console is None:
            await asyncio.to_thread(import_module, "lampwork.console.app")
        if self._console is None:  # still
            self._console = self._make_console()
        return await self._console.serve(request)

    def _make_console(self) -> "Console":
        from lampwork.console.app import Console
        from lampwork.console.subject import Subject

        project = self._project
        return Console(
            Subject(
                stack=lambda: project.stack,
                functions=project.functions,
                front=self._front,
                running=lambda: self._sources,
                sources=self._options.sources,
                intervals=lambda: project.config.schedules,
                aws=project.services.aws,
                region=project.config.region,
            )
        )

    async def _open_processes(self, opened: AsyncExitStack) -> None:
        opened.push_async_callback(self._processes.stop)
        project = self._project
        programs = project.pythons.main.programs
        await self._processes.start(programs, project.variables, project.stack.functions)
        opened.push_async_callback(self._following.stop)
        self._following.start()

    def _open_sources(self, opened: AsyncExitStack) -> None:
        project = self._project
        aws = project.services.aws
        if aws is not None:
            self._events.outlet = Destinations(aws.url, project.config.region, self._events)
        context = SourceContext(
            invoker=self._durable,
            events=self._events,
            region=project.config.region,
            metrics=project.metrics,
            say=partial(project.log_line, "lampwork"),
            aws=aws,
            sqs_endpoint=project.sqs_endpoint,
            intervals=project.config.schedules,
            time_scale=self._options.time_scale,
            testing=self._options.testing,
        )
        self._sources = RunningSources(self._options.sources, context)
        if self._options.testing:
            self._test_control.look_into(self._events, self._sources, self._front)
        opened.push_async_callback(self._sources.stop)
        self._sources.start(self._mappings.stack)
        self._mappings.changed = self._take_mappings

    async def _take_mappings(self) -> None:
        await self._sources.update(self._mappings.stack)

    async def _find_port(self) -> int:
        """The configured port, or a free one for 0. Fails at once if the port is in use, before
        services and commands have run."""
        host, port = self._config.host, self._config.port
        probe = Listener(lambda _: asyncio.Protocol(), _no_tls, host=host, port=port)
        await probe.start()
        found = probe.port
        probe.stop()
        return found

    def _say_ready(self, seconds: float) -> None:
        stack, intervals = self._project.stack, self._config.schedules
        self._log.say(f"\n{entry_points.table(stack, self._options.sources, intervals)}\n")
        self._log.say(f"Lampwork is up: {self._project.origin}   ({seconds:.1f} s)")
        self._log.say(f"The console: http://localhost:{self._project.port}{internal_paths.PREFIX}")
        if self._project.for_others.origin:
            self._log.say(f"{self._project.for_others}")
            if self._log.is_terminal:
                self._log.say(f"\n{self._project.for_others.code()}")

    async def _apply(self, change: Change) -> None:
        """Apply saved files. If they are wrong, say so and go on as before."""
        try:
            if change.settings:
                await self._apply_settings()
            else:
                self._reload_code(change.files)
        except LampworkError as error:
            self._say(f"{error}")

    async def _apply_settings(self) -> None:
        project = self._project
        before = project.stack
        if await project.reread():
            sources, intervals = self._options.sources, project.config.schedules
            for change in entry_points.changes(before, project.stack, sources, intervals):
                self._say(change)
            self._watcher.watch(self._watched())
            self._durable.update(project.stack.functions)
            self._front.update(project.stack)
            self._mappings.update(project.stack)
            await self._sources.update(self._mappings.stack)
            project.read_files.forget()
            await project.functions.reload(project.stack.functions)
            self._say_reloaded()
            self._following.saved(None)

    def _reload_code(self, files: Collection[Path]) -> None:
        """Let the next request run what was saved. All else follows."""
        project = self._project
        project.read_files.forget()
        project.functions.refresh(project.stack.functions)
        pythons = {each.python for each in project.stack.functions.values() if each.python}
        broken = [] if any(each.is_newer for each in pythons) else list(syntax_errors(files))
        if broken:  # processes run on with what they have loaded, until it is mended
            self._broken.update(files)
            said = project.report_problems()
            for problem in broken:
                if not any(each.startswith(problem) for each in said):
                    self._say(f"{problem}; what imports it fails until it is mended.")
            return
        self._say_reloaded()
        self._following.saved({*files, *self._broken})
        self._broken.clear()

    def _say_reloaded(self) -> None:
        self._project.report_problems()
        self._say("Reloaded: from now on requests run what was saved.")

    async def _preload(self) -> None:
        await self._project.functions.preload()

    async def _restart_processes(self, saved: Collection[Path] | None) -> None:
        project = self._project
        await self._processes.restart(project.variables, project.stack.functions, saved)


def _allow_many_sockets() -> None:
    """Raise the limit of open files: a shell's usual 1,024 are fewer than the sockets that a
    WebSocket API may hold."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _no_tls() -> ssl.SSLContext:
    raise AssertionError("A probe of the port accepts no client.")
