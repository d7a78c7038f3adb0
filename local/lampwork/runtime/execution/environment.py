import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from pathlib import Path

from lampwork.errors import StartError
from lampwork.events.trace_lineage import trace_of_invocation
from lampwork.invocation.answer_stream import AnswerStream
from lampwork.invocation.cause import Cause
from lampwork.invocation.limits import MAX_RESPONSE
from lampwork.invocation.port import Invocation
from lampwork.invocation.prelude import whole_answer
from lampwork.runtime.channel import TOO_LARGE, Answer, Begun, Channel, Piece, Ready, Work
from lampwork.runtime.execution import function_errors
from lampwork.runtime.execution.cpu import wants_cpu
from lampwork.runtime.execution.environment_log import EnvironmentLog
from lampwork.runtime.execution.log_pipe import LogPipe
from lampwork.runtime.execution.memory import MEBIBYTE, MemoryPeak, resident_memory
from lampwork.runtime.execution.platform_log import (
    EXITED,
    OUT_OF_MEMORY,
    SUCCESS,
    TIMEOUT,
    RequestEnd,
    Status,
)
from lampwork.runtime.extensions.extensions import Extensions
from lampwork.runtime.extensions.programs import extension_files
from lampwork.runtime.launching.launcher import ChildProcess, Launch, Launcher
from lampwork.runtime.packages import NotInstalled
from lampwork.runtime.read_files import FileUse
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.world.launch import launch_of
from lampwork.runtime.world.mounts import World
from lampwork.stack.model import Function
from lampwork.timestamps import iso_milliseconds

logger = logging.getLogger(__name__)

# How many processes may end before they read a request. An idle process may happen to end just
# then; if one after the other does, the function is at fault.
MAX_UNREAD_ATTEMPTS = 3


class State(Enum):
    STARTING = auto()
    IDLE = auto()
    BUSY = auto()
    DEAD = auto()


@dataclass(frozen=True, slots=True)
class Exited:
    """The process ended. `request_unread`: it had been sent a request that it never read."""

    status: int
    request_unread: bool = False


@dataclass(frozen=True, slots=True)
class TimedOut:
    pass


Outcome = Ready | Answer | Exited | TimedOut


@dataclass(slots=True)
class Request:
    """One request for a function, from its acceptance to its end.

    Its result is set on `completion`, unless whoever waited for it has cancelled that. What the
    function streams goes to `stream`; without one, it is gathered. `on_begin` is called when it
    gets an environment that it had to wait for.
    """

    payload: bytes
    client_context: str | None
    request_id: str
    accepted_at: float
    completion: "asyncio.Future[Invocation]"
    trace_header: str | None = None  # of the request that causes this one
    trace: str = ""  # its own trace header, once it has begun
    stream: AnswerStream | None = None
    on_begin: Callable[[], None] | None = None
    cause: Cause | None = None
    unread_attempts: int = 0  # processes that ended before they read it


class Environment:
    """One execution environment: a function's process, which serves one request at a time.

    `on_end` is called at the end of each request with its invocation, or with None if the process
    ended before it read the request, so that another environment can serve it. `on_death` is called
    once, when the environment has ended. The `folder` for temporary files need not exist yet. An
    `outdated` environment serves no further request.
    """

    def __init__(
        self,
        function: Function,
        launcher: Launcher,
        settings: RuntimeSettings,
        folder: Path,
        on_line: Callable[[str, str], None],
        on_end: Callable[["Environment", Request, Invocation | None], None],
        on_death: Callable[["Environment"], None],
    ) -> None:
        self.function = function
        self.folder = folder
        self.state = State.STARTING
        self.idle_since = 0.0
        self.started = time.monotonic()
        self.requests = 0  # that it was given
        self.outdated = False
        self.has_given_folder_away = False
        self._is_closing = False
        self._launcher = launcher
        self._settings = settings
        self._on_end = on_end
        self._on_death = on_death
        self._loop = asyncio.get_running_loop()
        self._channel: Channel | None = None
        self._on_outcome: Callable[[Outcome], None] | None = None  # who is told the next outcome
        self._time_limit: asyncio.TimerHandle | None = None
        self._streamed: AnswerStream | None = None  # what the request under way streams
        self._asked_stream: AnswerStream | None = None  # where its caller wants to have that
        self._init_retry: asyncio.Task[None] | None = None
        self._process: ChildProcess | None = None
        self._pipe: LogPipe | None = None
        self._log = EnvironmentLog(function, on_line)
        self._world: World | None = None
        self._extensions: Extensions | None = None
        self._lingering: asyncio.Task[None] | None = None
        self._request_began = time.perf_counter()  # until the first one, its start
        self._init: Outcome = TimedOut()
        self._init_ms: float | None = None
        self._memory = MemoryPeak()

    @property
    def failed(self) -> bool:
        """Whether its function could not be loaded; its only request is told why."""
        return not isinstance(self._init, Ready)

    @property
    def is_ending(self) -> bool:
        """Whether its process has been killed and has not ended yet."""
        return self._is_closing and self.state is not State.DEAD

    async def start(self) -> None:
        """Start the process and load the function, for `init_seconds` at most.

        If the function cannot be loaded, its first request is told why.

        Raises:
            StartError: no process could be started. The environment is then dead.
        """
        self._settings.on_start(self.function)
        try:
            self._log.write(self._log.platform.init_started())
            self._init = await self._run_init(self._settings.init_limit(self.function))
        except BaseException:
            self.close()
            raise
        self._log.write(self._log.platform.init_ended(_init_status(self._init), self._init_ms or 0))
        if self._process is not None and self._process.exited.done() and not self.failed:
            # It was ready and ended at once, which is no better than ending before it was ready.
            self._init = Exited(self._process.exited.result())
        if self.state is State.STARTING:
            self.state = State.IDLE
            self._freeze()

    def invoke(self, request: Request) -> None:
        """Begin a request. It runs to its end, even if that ends the environment too."""
        if self.state is State.DEAD or self._lost_an_extension(request):
            self._on_end(self, request, None)
            return
        self.state = State.BUSY
        self.requests += 1
        self._log.begin(request.request_id)
        self._request_began = time.perf_counter()
        seconds = self.function.timeout_seconds + self._settings.grace()
        if isinstance(self._init, TimedOut):
            # Lambda then inits once more, within the time of the request.
            self._init_retry = self._loop.create_task(self._retry_init(request, seconds))
        else:
            self._send_request(request, seconds)

    @property
    def is_blocked(self) -> bool:
        """Whether its request, or its start, waits for something other than a core."""
        if self.state is State.STARTING:
            return self._process is None or not wants_cpu(self._process.pid)
        if self.state is not State.BUSY or self._process is None or self._channel is None:
            return False
        return (
            self._channel.awaits_answer
            and not wants_cpu(self._process.pid)
            # Asked again, because it may have answered while its state was read.
            and self._channel.awaits_answer
        )

    @property
    def is_launching(self) -> bool:
        """Whether its process uses a core to load the function."""
        return (
            self.state is State.STARTING
            and self._process is not None
            and wants_cpu(self._process.pid)
        )

    @property
    def seconds_at_it(self) -> float:
        """For how long it has started or served its request."""
        return time.perf_counter() - self._request_began

    @property
    def memory_bytes(self) -> int:
        """The most that its process was seen to hold."""
        return self._memory.bytes

    @property
    def pid(self) -> int | None:
        """Of its process, if that has started."""
        return self._process.pid if self._process is not None else None

    def read_memory(self) -> int:
        """The most that its process was seen to hold, after a look at it."""
        if self._process is not None:
            self._memory.refresh(self._process.pid)
        return self._memory.bytes

    def check_memory(self) -> None:
        """End the process if it holds more memory than the function may have."""
        limit = self.function.memory_mb * MEBIBYTE
        if self._process is None or resident_memory(self._process.pid) <= limit:
            return
        self._memory.read(self._process.pid)
        if self._memory.bytes > limit:
            self._process.kill()

    def close(self) -> None:
        """End the environment, and its process if that still runs."""
        was_closing, self._is_closing = self._is_closing, True
        if self._process is not None:
            if self._extensions is None or self.failed:
                self._process.kill()
            elif not was_closing:  # it may end by itself, as its extensions may; it is told once
                self._thaw()
                self._process.terminate()
        self._end_extensions("failure" if self.failed else "spindown")
        if self._has_ended() or self.failed:
            self._end_environment()

    async def _run_init(self, seconds: float) -> Outcome:
        """Start the process and wait until its function is loaded or could not be."""
        try:
            await self._settings.packages.install(self.function)
        except NotInstalled as error:
            return self._without_packages(error)
        loaded: asyncio.Future[Outcome] = self._loop.create_future()
        started = time.perf_counter()
        self._on_outcome = loaded.set_result
        self._make_folder()
        launch = self._launch()
        self._world = launch.world
        if files := extension_files(self.function):
            outcome = await self._load_with_extensions(launch, loaded, files, seconds)
        else:
            outcome = await self._load(launch, loaded, seconds)
        self._init_ms = (time.perf_counter() - started) * 1000
        if isinstance(outcome, TimedOut) and self._process is not None:
            self._process.kill()
            self._process = None
            if self._channel is not None:
                self._channel.close()
            self._end_extensions("timeout")
        return outcome

    async def _load(
        self, launch: Launch, loaded: "asyncio.Future[Outcome]", seconds: float | None
    ) -> Outcome:
        await self._spawn(launch)
        # Only now, because a fork server may have had to start first.
        if not loaded.done() and seconds is not None:
            self._set_time_limit(seconds)
        return await loaded

    async def _load_with_extensions(
        self,
        launch: Launch,
        loaded: "asyncio.Future[Outcome]",
        files: Mapping[str, Path],
        seconds: float,
    ) -> Outcome:
        """Start the extensions before the function, and wait until all are ready.

        https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
        """
        if self._extensions is not None:  # those of an init that took too long
            await self._extensions.ended
        extensions = Extensions(
            self.function, self._launcher, self._log.printed, self._extension_failed
        )
        self._extensions = extensions
        outcome: Outcome = TimedOut()
        try:
            async with asyncio.timeout(seconds):
                launch = await extensions.start(launch, files)
                if extensions.failure is None:
                    outcome = await self._load(launch, loaded, None)
                    if not isinstance(outcome, Ready):
                        return outcome
                    await extensions.until_idle()
        except TimeoutError:
            self._on_outcome = None
            return TimedOut()
        return Answer(extensions.failure, failed=True) if extensions.failure else outcome

    def _extension_failed(self, error: bytes) -> None:
        """Tell the request under way, or the first one; this environment serves no other."""
        if self.state is not State.STARTING:
            self.outdated = True
        self._report_outcome(Answer(error, failed=True))

    def _lost_an_extension(self, request: Request) -> bool:
        """Whether an extension has ended since the last request, so that another environment should
        serve this one."""
        if self._extensions is None or self._extensions.failure is None or self.failed:
            return False
        request.unread_attempts += 1
        return request.unread_attempts < MAX_UNREAD_ATTEMPTS

    def _end_extensions(self, reason: str) -> None:
        if self._extensions is None:
            return
        self._extensions.end(reason)
        if process := self._process:
            self._extensions.ended.add_done_callback(lambda _: process.kill())

    def _without_packages(self, error: NotInstalled) -> Answer:
        """The answer of a function whose packages are missing, as on AWS."""
        payload = function_errors.not_importable(self.function.handler, f"{error}")
        self._log.failure(function_errors.log_line(payload))
        return Answer(payload, failed=True)

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StartError(f"Cannot make {self.folder}: {error.strerror}.") from error

    def _launch(self) -> Launch:
        return launch_of(self.function, self._settings, self._trace_id(), self.folder)

    async def _spawn(self, launch: Launch) -> None:
        with ExitStack() as opened:
            try:
                channel = await Channel.open(
                    self._report_outcome, self._report_files, self._report_stream
                )
                opened.callback(channel.close)
                pipe = LogPipe(self._log.printed)
                opened.callback(pipe.close)
            except OSError as error:
                raise StartError(f"No further process can be started: {error.strerror}.") from error
            try:
                process = await self._launcher.spawn(launch, pipe.writer, channel.remote_fd)
            finally:
                pipe.release_writer()
            opened.pop_all()
        # Not earlier: `close` must not close what the launcher has yet to hand over.
        self._pipe, self._channel, self._process = pipe, channel, process
        process.exited.add_done_callback(
            lambda exited: self._exited(process, pipe, channel, exited.result())
        )
        if self._is_closing:  # meanwhile
            process.kill()
            channel.close()

    async def _retry_init(self, request: Request, seconds: float) -> None:
        try:
            self._init = await self._run_init(seconds)
        except StartError:
            # As if the process had ended before it read the request: the next start tells why.
            self.close()
            self._on_end(self, request, None)
            return
        elapsed = time.perf_counter() - self._request_began
        self._send_request(request, seconds - elapsed)

    def _send_request(self, request: Request, seconds: float) -> None:
        if not isinstance(self._init, Ready) or self._channel is None:
            self._conclude(request, self._init)
            return
        self._on_outcome = partial(self._conclude, request)
        self._asked_stream = request.stream
        self._set_time_limit(seconds)
        self._thaw()
        work = self._work_for(request)
        if self._extensions is not None:
            self._extensions.invoke(work)
            if self._extensions.failure is not None:
                self._report_outcome(Answer(self._extensions.failure, failed=True))
                return
        self._channel.send(work)

    def _set_time_limit(self, seconds: float) -> None:
        self._time_limit = self._loop.call_later(seconds, self._report_outcome, TimedOut())

    def _report_files(self, uses: Sequence[FileUse]) -> None:
        if not self.outdated:
            world = self._world
            self._settings.on_files([use for use in uses if not (world and world.hides(use.path))])

    def _report_stream(self, part: Begun | Piece) -> None:
        channel = self._channel
        if self._on_outcome is None or channel is None:  # too late
            return
        if isinstance(part, Begun):
            self._streamed = self._asked_stream or AnswerStream(limit=MAX_RESPONSE)
            self._streamed.begin(part.content_type)
            return
        stream = self._streamed
        if stream is None:
            return
        stream.write(part.content)
        if stream.is_too_large:
            self.outdated = True  # it would go on writing
            self._log.failure(function_errors.log_line(TOO_LARGE.payload))
            self._report_outcome(TOO_LARGE)
        elif stream is self._asked_stream and stream.pause(channel.resume):
            channel.pause()

    def _report_outcome(self, outcome: Outcome) -> None:
        then, self._on_outcome = self._on_outcome, None
        if then is None:
            return
        if self._time_limit is not None:
            self._time_limit.cancel()
        # All that the process has printed so far belongs to the request that ends here.
        if self._pipe is not None:
            self._pipe.drain()
        then(outcome)

    def _conclude(self, request: Request, outcome: Outcome) -> None:
        if isinstance(outcome, Exited) and outcome.request_unread:
            request.unread_attempts += 1
            if request.unread_attempts < MAX_UNREAD_ATTEMPTS:
                self._on_end(self, request, None)
                return
        duration_ms = (time.perf_counter() - self._request_began) * 1000
        init_ms, self._init_ms = self._init_ms, None
        if isinstance(outcome, TimedOut):
            duration_ms = self.function.timeout_seconds * 1000
        payload, failed, status = self._result(request.request_id, outcome)
        if self._pipe is not None:
            self._pipe.end_line()
        produced = 0 if failed else len(payload)
        if self._streamed is not None:
            stream, self._streamed = self._streamed, None
            produced = stream.size
            if stream is not request.stream and not failed:
                payload = whole_answer(stream.content_type or "", stream.whole())
            if self._channel is not None:  # the next request's answer must not wait for a reader
                self._channel.resume()
        if self._process is not None:
            self._memory.refresh(self._process.pid)
        memory = self._memory.megabytes
        end = RequestEnd(request.request_id, status, produced, duration_ms, init_ms, memory)
        self._log.write(self._log.platform.ended(end))
        log = self._log.end()
        invocation = Invocation(
            request_id=request.request_id,
            payload=payload,
            function_error="Unhandled" if failed else None,
            log=log,
            duration_ms=duration_ms,
            init_ms=init_ms,
            memory_mb=memory,
        )
        if isinstance(outcome, TimedOut):
            self._end_extensions("timeout")
            self.close()
        elif self.state is State.BUSY and (self.failed or not isinstance(outcome, Exited)):
            if self._extensions is not None and not self.failed and not self.outdated:
                seconds = self.function.timeout_seconds - duration_ms / 1000
                work = self._linger(self._extensions, request, invocation, seconds)
                self._lingering = self._loop.create_task(work)
                return
            self.state = State.IDLE
            self._freeze()
        self._on_end(self, request, invocation)

    async def _linger(
        self, extensions: Extensions, request: Request, invocation: Invocation, seconds: float
    ) -> None:
        """Give the answer, and serve the next request when the extensions are done with this one.

        https://aws.amazon.com/blogs/compute/performance-and-functionality-improvements-for-aws-lambda-extensions/
        """
        if not request.completion.done():
            request.completion.set_result(invocation)
        try:
            async with asyncio.timeout(seconds):
                await extensions.until_idle()
        except TimeoutError:
            late = f"Extensions timed out after {self.function.timeout_seconds:.2f} seconds"
            self._log.failure(f"{iso_milliseconds()} {request.request_id} {late}")
            self._end_extensions("timeout")
            self.close()
        else:
            if self.state is State.BUSY:
                self.state = State.IDLE
                self._freeze()
        self._on_end(self, request, invocation)

    def _result(self, request_id: str, outcome: Outcome) -> tuple[bytes, bool, Status]:
        """The request's answer, whether that is an error, and the status Lambda gives it.

        An exception that a function raises counts as a success:
        https://github.com/aws-samples/aws-lambda-extensions/issues/85
        """
        match outcome:
            case Answer(payload, failed):
                return payload, failed, Status.of_error(payload) if self.failed else SUCCESS
            case Exited(status):
                reason = function_errors.exit_reason(status)
                self._log.failure(f"RequestId: {request_id} Error: {reason}")
                return function_errors.exited(request_id, status), True, self._exit_status()
            case _:
                seconds = self.function.timeout_seconds
                late = f"Task timed out after {seconds:.2f} seconds"
                self._log.failure(f"{iso_milliseconds()} {request_id} {late}")
                return function_errors.timed_out(request_id, seconds), True, TIMEOUT

    def _exit_status(self) -> Status:
        if self._memory.bytes <= self.function.memory_mb * MEBIBYTE:
            return EXITED
        # Lambda's own message, `signal: killed`, does not say why.
        logger.warning(
            "a function was ended because it held more memory than it may",
            extra={
                "function": self.function.logical_id,
                "held": f"{self._memory.megabytes} MB",
                "memory_size": f"{self.function.memory_mb} MB",
            },
        )
        return OUT_OF_MEMORY

    def _work_for(self, request: Request) -> Work:
        request.trace = self._trace_id(request.trace_header)
        return Work(
            request_id=request.request_id,
            payload=request.payload,
            function_arn=self.function.invoked_arn,
            trace_id=request.trace,
            deadline_ms=int((time.time() + self.function.timeout_seconds) * 1000),
            client_context=request.client_context,
            tenant=self.function.tenant,
        )

    def _trace_id(self, trace_header: str | None = None) -> str:
        return trace_of_invocation(trace_header, self.function.arn)

    def _exited(self, process: ChildProcess, pipe: LogPipe, channel: Channel, status: int) -> None:
        pipe.flush()
        pipe.close()
        if process is not self._process:  # it could not load the function in time
            return
        self._report_outcome(Exited(status, channel.has_unread_request))
        # After a failed init, a request has yet to be told of it.
        if not self.failed or self.state is State.DEAD:
            self._end_environment()

    def _freeze(self) -> None:
        if self._is_closing:  # then its process may have work to do before it ends
            return
        if self._settings.freeze and self._process is not None:
            self._process.freeze()
            if self._extensions is not None:
                self._extensions.freeze()

    def _thaw(self) -> None:
        if self._settings.freeze and self._process is not None:
            self._process.thaw()
            if self._extensions is not None:
                self._extensions.thaw()

    def _has_ended(self) -> bool:
        return self._process is None or self._process.exited.done()

    def _end_environment(self) -> None:
        if self._extensions is not None and not self._extensions.ended.done():
            self._end_extensions("failure")
            self._extensions.ended.add_done_callback(lambda _: self._end_environment())
            return
        if self.state is not State.DEAD:
            self.state = State.DEAD
            if self._channel is not None:
                self._channel.close()
            self._on_death(self)


def _init_status(outcome: Outcome) -> Status:
    match outcome:
        case Ready():
            return SUCCESS
        case TimedOut():
            return TIMEOUT
        case Exited():
            return EXITED
        case Answer(payload):
            return Status.of_error(payload)
