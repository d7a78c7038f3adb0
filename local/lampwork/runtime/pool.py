import asyncio
import contextlib
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lampwork.errors import LampworkError, StartError, Throttled, TooManyEnvironments
from lampwork.invocation import cause
from lampwork.invocation.answer_stream import AnswerStream
from lampwork.invocation.port import Invocation
from lampwork.metrics.metrics import Metrics
from lampwork.runtime.admission.capacity import MEBIBYTE, Capacity
from lampwork.runtime.admission.fair_line import Demand
from lampwork.runtime.execution.environment import Environment, Request, State
from lampwork.runtime.launching.launcher import Launcher
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.temporary_folders import TemporaryFolders
from lampwork.stack.model import Function

# How long an environment takes to start, and how much it holds, before one was seen to.
START_SECONDS: Final = 0.25
MOST_START_SECONDS: Final = 1  # what takes longer installs packages, or waits itself
MEMORY_BYTES: Final = 64 * MEBIBYTE


@dataclass(frozen=True, slots=True)
class EnvironmentReport:
    """`started` is a time of `time.monotonic()`; `memory_bytes` the most that was seen."""

    function: str
    state: str
    pid: int | None
    started: float
    requests: int
    memory_bytes: int
    memory_limit_mb: int


class Pool:
    """The environments of one function, and the queue of requests that wait for one.

    A request gets the environment that was used last, so that the others can end once they have
    been idle for long. Before a new environment starts, a request waits a moment for a busy one,
    and longer while the functions' environments already use all cores.
    """

    def __init__(
        self,
        function: Function,
        launcher: Launcher,
        settings: RuntimeSettings,
        capacity: Capacity,
        folders: TemporaryFolders,
        on_log: Callable[[Function, str, str], None],
        metrics: Metrics,
    ) -> None:
        self.function = function
        self._closed = False
        self._launcher = launcher
        self._settings = settings
        self._capacity = capacity
        self._folders = folders
        self._reusable_folders: list[Path] = []
        self._on_log = on_log
        self._metrics = metrics
        self._is_debugged = settings.debug_port(function) is not None
        self._loop = asyncio.get_running_loop()
        self._environments: set[Environment] = set()
        self._idle: list[Environment] = []
        self._waiting: deque[Request] = deque()
        self._accepted = 0  # requests that have not ended
        self._starts: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()  # a request or an environment has ended
        self._start_seconds = START_SECONDS
        capacity.join(self)

    def invoke(
        self,
        payload: bytes,
        client_context: str | None,
        request_id: str | None = None,
        trace_header: str | None = None,
        stream: AnswerStream | None = None,
        on_begin: Callable[[], None] | None = None,
    ) -> "asyncio.Future[Invocation]":
        """Accept one request. As on Lambda, it runs to its end even if nobody waits for it, unless
        it has not begun within `queue_seconds`.

        Raises:
            Throttled: the function's reserved concurrency is used up.
            LampworkError: the pool is closed.

        The future raises:
            TooManyEnvironments: this machine had no room for one more within `queue_seconds`.
            StartError: no process could be started.
        """
        reserved = self.function.reserved_concurrency
        if reserved is not None and self._accepted >= reserved:
            self._metrics.throttled(self.function.logical_id, "reserved concurrency")
            raise Throttled(
                f"{self.function.name} already runs {reserved} requests at a time,"
                " as many as its reserved concurrency allows."
            )
        if self._closed:
            raise self._being_stopped()
        request = Request(
            payload=payload,
            client_context=client_context,
            request_id=request_id or str(uuid.uuid4()),
            accepted_at=self._loop.time(),
            completion=self._loop.create_future(),
            trace_header=trace_header,
            stream=stream,
            on_begin=on_begin,
            cause=cause.present(),
        )
        self._accepted += 1
        self._dispatch(request)
        return request.completion

    def recycle(self, function: Function, launcher: Launcher) -> None:
        """Run further requests in new environments, with this function's code and settings."""
        self.function = function
        self._launcher = launcher
        for environment in list(self._environments):
            environment.outdated = True
            if environment.state is State.STARTING:
                environment.close()
        while self._idle:
            self.end_longest_idle()
        while self._reusable_folders:
            self._folders.remove(self._reusable_folders.pop())

    def end_idle(self, idle_before: float, surplus_before: float) -> None:
        """End environments that were last used before this time of the event loop's clock, or, if
        the function has others, before the second one."""
        while self._idle:
            has_others = sum(not each.outdated for each in self._environments) > 1
            latest = max(idle_before, surplus_before) if has_others else idle_before
            if self._idle[0].idle_since >= latest:
                return
            self.end_longest_idle()

    def check_memory(self) -> None:
        for environment in list(self._environments):
            if environment.state is not State.IDLE:
                environment.check_memory()

    async def close(self, seconds: float) -> None:
        """End all environments; requests under way have `seconds` to finish."""
        self._closed = True
        self._refuse_waiting(self._being_stopped())
        self.recycle(self.function, self._launcher)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._accepted:
                    await self._next_change()
        for environment in list(self._environments):
            environment.close()
        while self._environments:
            await self._next_change()
        self._capacity.leave(self)

    def report(self) -> Iterator[EnvironmentReport]:
        """Its environments, the oldest first."""
        for each in sorted(self._environments, key=lambda each: each.started):
            yield EnvironmentReport(
                function=self.function.logical_id,
                state=each.state.name.lower(),
                pid=each.pid,
                started=each.started,
                requests=each.requests,
                memory_bytes=each.read_memory(),
                memory_limit_mb=self.function.memory_mb,
            )

    def count_by_state(self) -> dict[State, int]:
        """How many environments are in each state."""
        states = Counter(environment.state for environment in self._environments)
        return {state: states[state] for state in (State.STARTING, State.IDLE, State.BUSY)}

    # Claimant

    @property
    def size(self) -> int:
        return len(self._environments)

    @property
    def reserved(self) -> int:
        return self.function.reserved_concurrency or 0

    @property
    def needs_more(self) -> bool:
        return len(self._starts) < len(self._waiting)

    @property
    def idle_since(self) -> float | None:
        return self._idle[0].idle_since if self._idle else None

    @property
    def surplus_since(self) -> float | None:
        return self.idle_since if len(self._environments) > 1 else None

    @property
    def memory(self) -> int:
        return max((each.memory_bytes for each in self._environments), default=0) or MEMORY_BYTES

    @property
    def starting(self) -> int:
        return len(self._starts)

    @property
    def has_waiting(self) -> bool:
        return bool(self._waiting)

    def demand(self) -> Demand:
        latest = self._loop.time() - self._settings.grow_after_ms / 1000
        overdue = sum(request.accepted_at <= latest for request in self._waiting)
        return Demand(
            wanted=0 if self._cannot_grow else max(0, overdue - len(self._starts)),
            since=self._waiting[0].accepted_at if self._waiting else 0.0,
            starting=len(self._starts),
            computing=sum(
                each.state in (State.STARTING, State.BUSY) and not self._waits(each)
                for each in self._environments
            ),
            launching=sum(each.is_launching for each in self._environments),
        )

    def refuse_overdue(self) -> None:
        latest = self._loop.time() - self._settings.queue_seconds
        while self._waiting and self._waiting[0].accepted_at <= latest:
            if self._waiting[0].completion.done():  # its caller has given up
                self._waiting.popleft()
                self._count_out()
            elif self._capacity.has_refused(self):
                reason = "max environments" if self._capacity.is_full(self) else "memory"
                self._metrics.throttled(self.function.logical_id, reason)
                self._refuse(self._waiting.popleft(), self._too_many())
            else:
                return

    def grow(self) -> None:
        if not self._cannot_grow and self.needs_more and self._capacity.acquire(self):
            environment = Environment(
                self.function,
                self._launcher,
                self._settings,
                self._next_folder(),
                on_line=self._log,
                on_end=self._on_request_end,
                on_death=self._on_death,
            )
            self._environments.add(environment)
            self._starts.add(self._loop.create_task(self._start(environment)))

    def end_longest_idle(self) -> None:
        self._end_idle(self._idle[0])

    # Requests

    def _dispatch(self, request: Request) -> None:
        if self._idle:
            self._idle.pop().invoke(request)
            return
        self._waiting.append(request)
        if not self._environments:
            self.grow()
        self._capacity.look_soon()

    def _on_request_end(
        self, environment: Environment, request: Request, invocation: Invocation | None
    ) -> None:
        self._reuse_or_end(environment)
        if environment.is_ending and not environment.outdated:
            # Its killed process may take a while to end, and the next request may come before.
            self._pass_folder_on(environment)
        if invocation is None:
            if self._closed:
                self._refuse(request, self._being_stopped())
            else:
                self._dispatch(request)
            return
        self._metrics.invoked(self.function.logical_id, invocation)
        self._settings.recorder.ended(self.function, request, invocation)
        self._count_out()
        if not request.completion.done():
            request.completion.set_result(invocation)

    def _refuse(self, request: Request, error: Exception) -> None:
        self._count_out()
        if not request.completion.done():
            request.completion.set_exception(error)

    def _count_out(self) -> None:
        self._accepted -= 1
        self._changed.set()

    @property
    def _cannot_grow(self) -> bool:
        """Only one environment can listen on the debug port."""
        return self._is_debugged and bool(self._environments)

    def _waits(self, environment: Environment) -> bool:
        """Whether an environment is known to wait for something other than a core: there are cores
        with nothing to do, or it has waited for longer than another one takes to start.

        Where cores are busy, a moment's wait, such as for the lock of a database, proves nothing:
        further environments would wait for the same.
        """
        return (
            environment.seconds_at_it >= self._start_seconds
            or self._capacity.machine.has_idle_cores()
        ) and environment.is_blocked

    def _too_many(self) -> TooManyEnvironments:
        if not self._capacity.is_full(self):
            return TooManyEnvironments(
                f"No memory is left for another process of {self.function.name}. Let functions end"
                " sooner, or give this machine or its container more."
            )
        busy = f"All {self._capacity.limit} function processes are busy."
        if not self._capacity.may_have_more(self):
            busy = (
                f"All {self.size} processes of {self.function.name} are busy, and of the"
                f" {self._capacity.limit} of all functions one function may have no more."
            )
        return TooManyEnvironments(
            f"{busy}" " Raise max_environments in [tool.lampwork], or let functions end sooner."
        )

    def _being_stopped(self) -> LampworkError:
        return LampworkError(f"{self.function.name} is being stopped.")

    def _refuse_waiting(self, error: Exception) -> None:
        while self._waiting:
            self._refuse(self._waiting.popleft(), error)

    # Environments

    async def _start(self, environment: Environment) -> None:
        began = self._loop.time()
        try:
            await environment.start()
        except StartError as error:
            self._refuse_waiting(error)
        else:
            self._start_seconds = min(self._loop.time() - began, MOST_START_SECONDS)
        self._starts = {start for start in self._starts if start is not asyncio.current_task()}
        # An environment that failed to load its function is kept only to tell a waiting request.
        if environment.outdated or (environment.failed and not self._waiting):
            environment.close()
        elif environment.state is State.IDLE:
            self._make_available(environment)
        if environment.state is State.DEAD:
            self.grow()

    def _reuse_or_end(self, environment: Environment) -> None:
        """After a request, let the environment serve the next one or end it."""
        if environment.state is not State.IDLE:
            return
        if environment.failed or environment.outdated or self._capacity.must_yield(self):
            self._end(environment)
        else:
            self._make_available(environment)

    def _make_available(self, environment: Environment) -> None:
        if self._waiting:
            request = self._waiting.popleft()
            if request.on_begin is not None:
                request.on_begin()
            environment.invoke(request)
            return
        environment.idle_since = self._loop.time()
        self._idle.append(environment)

    def _end_idle(self, environment: Environment) -> None:
        self._idle.remove(environment)
        self._end(environment)

    def _end(self, environment: Environment) -> None:
        environment.outdated = True
        environment.close()

    def _next_folder(self) -> Path:
        return self._reusable_folders.pop() if self._reusable_folders else self._folders.new_path()

    def _pass_folder_on(self, environment: Environment) -> None:
        """Let the next environment have its folder: after a time-out or an exit, Lambda restarts
        the environment and keeps its /tmp."""
        if not environment.has_given_folder_away:
            environment.has_given_folder_away = True
            self._reusable_folders.append(environment.folder)

    def _on_death(self, environment: Environment) -> None:
        self._environments.discard(environment)
        if not environment.outdated:
            self._pass_folder_on(environment)
        elif not environment.has_given_folder_away:
            self._folders.remove(environment.folder)
        if environment in self._idle:
            self._idle.remove(environment)
        self._changed.set()
        self._capacity.release()
        self.grow()

    async def _next_change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _log(self, line: str, request_id: str) -> None:
        self._on_log(self.function, line, request_id)
