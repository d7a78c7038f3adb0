import asyncio
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from lampwork.errors import StartError
from lampwork.runtime.channel import Work
from lampwork.runtime.execution.log_pipe import LogPipe
from lampwork.runtime.extensions.api import ExtensionsApi, Refused
from lampwork.runtime.extensions.extension import INVOKE, SHUTDOWN, Event, Extension
from lampwork.runtime.launching.launcher import ChildProcess, Launch, Launcher
from lampwork.stack.model import ACCOUNT_ID, Function

RUNTIME_API: Final = "AWS_LAMBDA_RUNTIME_API"
# https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html#runtimes-lifecycle-shutdown
SHUTDOWN_SECONDS: Final = 2.0
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MOST_EXTENSIONS: Final = 10
TOO_MANY: Final = f"Extension limit ({MOST_EXTENSIONS}) reached"
# Variables that extensions do not get, besides those that begin with an underscore.
# https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
NOT_THEIRS: Final = frozenset(
    {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_XRAY_CONTEXT_MISSING",
        "AWS_XRAY_DAEMON_ADDRESS",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    }
)


class Extensions:
    """The extensions of one execution environment: programs of layers, which live as long as it
    does, and threads of the function that register themselves.

    `on_line` gets each line of their log. `on_failure` is called once, with the JSON error of the
    first that fails.
    """

    def __init__(
        self,
        function: Function,
        launcher: Launcher,
        on_line: Callable[[str], None],
        on_failure: Callable[[bytes], None],
    ) -> None:
        self._function = function
        self._launcher = launcher
        self._on_line = on_line
        self._on_failure = on_failure
        self._api = ExtensionsApi(self)
        self._all: list[Extension] = []
        self._change = asyncio.Event()
        self._failure: bytes | None = None
        self._is_initialized = False
        self._ending: asyncio.Task[None] | None = None
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def start(self, launch: Launch, files: Mapping[str, Path]) -> Launch:
        """Start the programs, and wait until each has registered or one has failed.

        Returns what the function's process shall run, so that it finds the API too.

        Raises:
            StartError: the API has no port, or no process can be started.
        """
        address = await self._api.start()
        variables = {**launch.environment, RUNTIME_API: address}
        own = {
            name: value
            for name, value in variables.items()
            if name not in NOT_THEIRS and not name.startswith("_")
        }
        if len(files) > MOST_EXTENSIONS:
            self.failed("Extension.LaunchError", TOO_MANY)
            return launch
        for name, file in files.items():
            await self._start(name, _program(launch, str(file), own))
        await self._until(lambda: all(each.is_registered for each in self._all))
        return replace(launch, environment=variables)

    async def until_idle(self) -> None:
        """Wait until all have done what they were asked for: their init, or the present request."""
        await self._until(lambda: self.are_idle)
        if not self._is_initialized and self.are_idle:
            self._is_initialized = True
            for each in self._all:
                events = ", ".join(each.events or ())
                self._on_line(f"EXTENSION\tName: {each.name}\tState: Ready\tEvents: [{events}]")

    @property
    def failure(self) -> bytes | None:
        """The JSON error of the first that failed."""
        return self._failure

    @property
    def are_idle(self) -> bool:
        return all(each.is_idle for each in self._all)

    def invoke(self, work: Work) -> None:
        """Tell those that want to know that a request begins."""
        for each in self._all:
            if each.wants(INVOKE):
                each.give(
                    {
                        "eventType": INVOKE,
                        "deadlineMs": work.deadline_ms,
                        "requestId": work.request_id,
                        "invokedFunctionArn": work.function_arn,
                        "tracing": {"type": "X-Amzn-Trace-Id", "value": work.trace_id},
                    }
                )

    def freeze(self) -> None:
        for each in self._all:
            if each.process is not None:
                each.process.freeze()

    def thaw(self) -> None:
        for each in self._all:
            if each.process is not None:
                each.process.thaw()

    def end(self, reason: str) -> None:
        """Have them end, within two seconds; `ended` is done when they have.

        `reason` is "spindown", "timeout" or "failure". Does nothing if they end already.
        """
        if self._ending is None:
            event: Event = {
                "eventType": SHUTDOWN,
                "shutdownReason": reason,
                "deadlineMs": int((time.time() + SHUTDOWN_SECONDS) * 1000),
            }
            self._ending = asyncio.get_running_loop().create_task(self._end(event))

    # Registry, for the API

    def described(self) -> Mapping[str, str]:
        return {
            "functionName": self._function.name,
            "functionVersion": self._function.version,
            "handler": self._function.handler,
            "accountId": ACCOUNT_ID,
        }

    def to_register(self, name: str) -> Extension:
        for each in self._all:
            if each.name == name:
                return each
        if self._is_initialized:
            raise Refused("Extension.RegistrationClosed", "Extension registration closed already")
        if len(self._all) >= MOST_EXTENSIONS:
            raise Refused("Extension.TooManyExtensions", TOO_MANY)
        internal = Extension(name)
        self._all.append(internal)
        return internal

    def known(self, identifier: str) -> Extension | None:
        return next((each for each in self._all if each.identifier == identifier), None)

    def changed(self) -> None:
        self._change.set()

    def say(self, line: str) -> None:
        self._on_line(line)

    def failed(self, kind: str, message: str) -> None:
        if self._failure is None and self._ending is None:
            self._failure = json.dumps({"errorType": kind, "errorMessage": message}).encode()
            self._on_line(f"{kind}: {message}")
            self.changed()
            self._on_failure(self._failure)

    async def _start(self, name: str, launch: Launch) -> None:
        pipe = LogPipe(self._on_line)
        try:
            # It has no use for a channel: the pipe's end stands in for it.
            process = await self._launcher.spawn(launch, pipe.writer, pipe.writer)
        except StartError:
            pipe.close()
            raise
        finally:
            pipe.release_writer()
        extension = Extension(name, process, pipe)
        self._all.append(extension)
        process.exited.add_done_callback(lambda exited: self._exited(extension, exited.result()))

    def _exited(self, extension: Extension, status: int) -> None:
        if extension.pipe is not None:
            extension.pipe.flush()
            extension.pipe.close()
        how = f"exit status {status}" if status >= 0 else f"signal {-status}"
        self.failed("Extension.Crash", f"{extension.name}: {how}")
        self.changed()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while self._failure is None and self._ending is None and not is_so():
            self._change.clear()
            await self._change.wait()

    async def _end(self, event: Event) -> None:
        self.thaw()
        told = [each for each in self._all if each.is_external and each.wants(SHUTDOWN)]
        for each in told:
            each.give(event)
        await _wait([each.process for each in told], SHUTDOWN_SECONDS)
        processes = [each.process for each in self._all]
        for process in processes:
            if process is not None:
                process.kill()
        await _wait(processes, None)
        for each in self._all:
            each.give({})  # whoever still waits is a connection that ends now
        self._api.stop()
        self.ended.set_result(None)


async def _wait(processes: Iterable[ChildProcess | None], seconds: float | None) -> None:
    exits = [process.exited for process in processes if process is not None]
    if exits:
        await asyncio.wait(exits, timeout=seconds)


def _program(launch: Launch, file: str, variables: Mapping[str, str]) -> Launch:
    """What runs an extension: its file, in the function's world."""
    return replace(
        launch,
        extension=file,
        environment=variables,
        root="/",
        wrapper_script=None,
        debug_port=None,
    )
