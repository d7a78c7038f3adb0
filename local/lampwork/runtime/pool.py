import asyncio
import contextlib
import os
import uuid
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from lampwork.errors import LampworkError, StartError, Throttled, TooManyEnvironments
from lampwork.invocation.port import Invocation
from lampwork.metrics.metrics import Metrics
from lampwork.runtime.capacity import Capacity
from lampwork.runtime.execution.environment import Environment, Request, State
from lampwork.runtime.launching.launcher import Launcher
from lampwork.runtime.settings import RuntimeSettings
from lampwork.runtime.temporary_folders import TemporaryFolders
from lampwork.stack.model import Function

# All cores have work, also while one process hands over its answer.
AT_WORK = (os.cpu_count() or 1) + 1


class Pool:
    """The environments of one function and the requests that wait for one, in their order.

    A request takes the environment used last, so that the others can be given up when they have
    been idle for long. It waits a moment for a busy one before another is started, and longer where
    the machine is busy with those there are.
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
        self._left_folders: list[Path] = []
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
        self._growing: asyncio.TimerHandle | None = None
        capacity.join(self)

    def invoke(
        self, payload: bytes, client_context: str | None, request_id: str | None = None
    ) -> "asyncio.Future[Invocation]":
        """Accept one request. It runs to its end, as on Lambda, even if nobody waits for that.

        Raises:
            Throttled: the function's reserved concurrency is used up.
            TooManyEnvironments (later): no environment could be had for too long.
            StartError (later): no process could be started.
        """
        reserved = self.function.reserved_concurrency
        if reserved is not None and self._accepted >= reserved:
            self._metrics.throttled(self.function.logical_id, "reserved concurrency")
            raise Throttled(f"{self.function.name} already runs {reserved} requests, all it may.")
        if self._closed:
            raise self._stopped()
        request = Request(
            payload=payload,
            client_context=client_context,
            request_id=request_id or str(uuid.uuid4()),
            since=self._loop.time(),
            ended=self._loop.create_future(),
        )
        self._accepted += 1
        self._dispatch(request)
        return request.ended

    def recycle(self, function: Function, launcher: Launcher) -> None:
        """Run requests from now on in new environments, and as `function` now says."""
        self.function = function
        self._launcher = launcher
        for environment in list(self._environments):
            environment.outdated = True
            if environment.state is State.STARTING:
                environment.close()
        while self._idle:
            self.give_up_idle()
        while self._left_folders:
            self._folders.remove(self._left_folders.pop())

    def reap(self, idle_before: float) -> None:
        while self._idle and self._idle[0].idle_since < idle_before:
            self.give_up_idle()

    def check_memory(self) -> None:
        for environment in list(self._environments):
            if environment.state is not State.IDLE:
                environment.check_memory()

    async def close(self, seconds: float) -> None:
        """End all environments, those that serve a request after `seconds` at the latest."""
        self._closed = True
        self._refuse_waiting(self._stopped())
        self.recycle(self.function, self._launcher)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._accepted:
                    await self._change()
        for environment in list(self._environments):
            environment.close()
        while self._environments:
            await self._change()
        self._capacity.leave(self)

    def count(self) -> dict[State, int]:
        """How many environments are in each state."""
        states = Counter(environment.state for environment in self._environments)
        return {state: states[state] for state in (State.STARTING, State.IDLE, State.BUSY)}

    # Claimant

    @property
    def size(self) -> int:
        return len(self._environments)

    @property
    def in_need(self) -> bool:
        return len(self._starts) < len(self._waiting)

    @property
    def idle_since(self) -> float | None:
        return self._idle[0].idle_since if self._idle else None

    def grow(self) -> None:
        if self._is_debugged and self._environments:  # its port is one environment's
            return
        if self.in_need and self._capacity.take(self):
            environment = Environment(
                self.function,
                self._launcher,
                self._settings,
                self._next_folder(),
                on_line=self._log,
                on_end=self._ended,
                on_death=self._on_death,
            )
            self._environments.add(environment)
            self._starts.add(self._loop.create_task(self._start(environment)))

    def give_up_idle(self) -> None:
        self._give_up(self._idle[0])

    # Requests

    def _dispatch(self, request: Request) -> None:
        if self._idle:
            self._idle.pop().invoke(request)
            return
        self._waiting.append(request)
        if not self._environments:
            self.grow()
        self._consider_growing()

    def _ended(
        self, environment: Environment, request: Request, invocation: Invocation | None
    ) -> None:
        self._take_back(environment)
        if invocation is None:
            if self._closed:
                self._refuse(request, self._stopped())
            else:
                self._dispatch(request)
            return
        self._metrics.invoked(self.function.logical_id, invocation)
        self._leave()
        if not request.ended.done():
            request.ended.set_result(invocation)

    def _refuse(self, request: Request, error: Exception) -> None:
        self._leave()
        if not request.ended.done():
            request.ended.set_exception(error)

    def _leave(self) -> None:
        self._accepted -= 1
        self._changed.set()

    def _consider_growing(self) -> None:
        """Look again and again, as long as requests wait, whether more environments would help."""
        if self._growing is None and self._waiting:
            delay = self._settings.grow_after_ms / 1000
            # One turn later, since what was read in this one may be an environment's answer.
            self._growing = self._loop.call_later(
                delay, self._loop.call_soon, self._grow_where_it_helps
            )

    def _grow_where_it_helps(self) -> None:
        """Use all cores; beyond that add only to environments that wait for something else.

        More processes that compute than there are cores would only slow each other.
        """
        self._growing = None
        self._refuse_late()
        long_ago = self._loop.time() - self._settings.grow_after_ms / 1000
        late = sum(request.since <= long_ago for request in self._waiting)
        room = AT_WORK - len(self._environments)
        for _ in range(min(late, room if room > 0 else self._blocked())):
            self.grow()
        self._consider_growing()

    def _blocked(self) -> int:
        return sum(environment.is_blocked for environment in self._environments)

    def _refuse_late(self) -> None:
        """Those that have waited for too long where no environment can be had."""
        long_ago = self._loop.time() - self._settings.queue_seconds
        while self._waiting and self._waiting[0].since <= long_ago and self._capacity.refuses(self):
            self._metrics.throttled(self.function.logical_id, "max environments")
            self._refuse(self._waiting.popleft(), self._no_room())

    def _no_room(self) -> TooManyEnvironments:
        return TooManyEnvironments(
            f"All {self._capacity.limit} function processes are busy."
            " Raise max_environments in [tool.lampwork], or let functions end sooner."
        )

    def _stopped(self) -> LampworkError:
        return LampworkError(f"{self.function.name} is being stopped.")

    def _refuse_waiting(self, error: Exception) -> None:
        while self._waiting:
            self._refuse(self._waiting.popleft(), error)

    # Environments

    async def _start(self, environment: Environment) -> None:
        try:
            await environment.start()
        except StartError as error:
            self._refuse_waiting(error)
        self._starts = {start for start in self._starts if start is not asyncio.current_task()}
        # A function that cannot be loaded is worth an environment only for a request to be told.
        if environment.outdated or (environment.failed and not self._waiting):
            environment.close()
        elif environment.state is State.IDLE:
            self._offer(environment)
        if environment.state is State.DEAD:
            self.grow()

    def _take_back(self, environment: Environment) -> None:
        """An environment has served a request: let it serve the next one, or end it."""
        if environment.state is not State.IDLE:
            return
        if environment.failed or environment.outdated or self._capacity.claims_from(self):
            self._end(environment)
        else:
            self._offer(environment)

    def _offer(self, environment: Environment) -> None:
        if self._waiting:
            environment.invoke(self._waiting.popleft())
            return
        environment.idle_since = self._loop.time()
        self._idle.append(environment)

    def _give_up(self, environment: Environment) -> None:
        self._idle.remove(environment)
        self._end(environment)

    def _end(self, environment: Environment) -> None:
        environment.outdated = True
        environment.close()

    def _next_folder(self) -> Path:
        return self._left_folders.pop() if self._left_folders else self._folders.name_one()

    def _on_death(self, environment: Environment) -> None:
        self._environments.discard(environment)
        if environment.outdated:
            self._folders.remove(environment.folder)
        else:
            # After a time-out or an exit Lambda starts the same environment again, its /tmp kept.
            self._left_folders.append(environment.folder)
        if environment in self._idle:
            self._idle.remove(environment)
        self._changed.set()
        self._capacity.release()
        self.grow()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _log(self, line: str, request_id: str) -> None:
        self._on_log(self.function, line, request_id)
