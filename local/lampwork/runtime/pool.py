import asyncio
from collections import Counter, deque
from collections.abc import Callable

from lampwork.errors import LampworkError, StartError, Throttled, TooManyEnvironments
from lampwork.invocation import Invocation
from lampwork.metrics.metrics import Metrics
from lampwork.model import Function
from lampwork.runtime.capacity import Capacity
from lampwork.runtime.environment import Environment, State, Undelivered
from lampwork.runtime.launcher import Launcher
from lampwork.runtime.settings import RuntimeSettings

Waiter = asyncio.Future[Environment]


class Pool:
    """The environments of one function and the requests that wait for one, in their order.

    A request takes the environment used last, so that the others can be given up when they have
    been idle for long. It waits a moment for a busy one before another is started.
    """

    def __init__(
        self,
        function: Function,
        launcher: Launcher,
        settings: RuntimeSettings,
        capacity: Capacity,
        on_log: Callable[[Function, str, str], None],
        metrics: Metrics,
    ) -> None:
        self.function = function
        self._closed = False
        self._launcher = launcher
        self._settings = settings
        self._capacity = capacity
        self._on_log = on_log
        self._metrics = metrics
        self._is_debugged = settings.debug_port(function) is not None
        self._loop = asyncio.get_running_loop()
        self._environments: set[Environment] = set()
        self._idle: list[Environment] = []
        self._waiting: deque[Waiter] = deque()
        self._requests: set[asyncio.Task[Invocation]] = set()
        self._starts: set[asyncio.Task[None]] = set()
        self._died = asyncio.Event()
        capacity.join(self)

    async def invoke(self, payload: bytes, client_context: str | None) -> Invocation:
        """Run one request. It runs to its end, as on Lambda, even if the caller is cancelled.

        Raises:
            Throttled: the function's reserved concurrency is used up.
            TooManyEnvironments: no environment could be had for too long.
            StartError: no process could be started.
        """
        reserved = self.function.reserved_concurrency
        if reserved is not None and len(self._requests) >= reserved:
            self._metrics.throttled(self.function.logical_id, "reserved concurrency")
            raise Throttled(f"{self.function.name} already runs {reserved} requests, all it may.")
        request = self._loop.create_task(self._serve(payload, client_context))
        self._requests.add(request)
        request.add_done_callback(self._served)
        return await asyncio.shield(request)

    def recycle(self, function: Function) -> None:
        """Run requests from now on in new environments, and as `function` now says."""
        self.function = function
        for environment in list(self._environments):
            environment.outdated = True
            if environment.state is State.STARTING:
                environment.close()
        while self._idle:
            self.give_up_idle()

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
        self.recycle(self.function)
        if self._requests:
            await asyncio.wait(self._requests, timeout=seconds)
        for environment in list(self._environments):
            environment.close()
        while self._environments:
            self._died.clear()
            await self._died.wait()
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
                self.function, self._launcher, self._settings, self._log, self._on_death
            )
            self._environments.add(environment)
            self._starts.add(self._loop.create_task(self._start(environment)))

    def give_up_idle(self) -> None:
        self._give_up(self._idle[0])

    # Requests

    async def _serve(self, payload: bytes, client_context: str | None) -> Invocation:
        while True:
            environment = self._idle.pop() if self._idle else await self._wait_for_one()
            try:
                return await environment.invoke(payload, client_context)
            except Undelivered:
                continue
            finally:
                self._take_back(environment)

    def _served(self, request: asyncio.Task[Invocation]) -> None:
        self._requests.discard(request)
        if request.cancelled():
            return
        # Retrieved also where the caller has gone.
        error = request.exception()
        if error is None:
            self._metrics.invoked(self.function.logical_id, request.result())
        elif isinstance(error, TooManyEnvironments):
            self._metrics.throttled(self.function.logical_id, "max environments")

    async def _wait_for_one(self) -> Environment:
        if self._closed:
            raise self._stopped()
        waiter: Waiter = self._loop.create_future()
        self._waiting.append(waiter)
        alone = not self._environments and len(self._waiting) == 1
        delay = 0 if alone else self._settings.grow_after_ms / 1000
        timer = self._loop.call_later(delay, self.grow)
        try:
            while not waiter.done():
                await asyncio.wait([waiter], timeout=self._settings.queue_seconds)
                if not waiter.done() and self._capacity.refuses(self):
                    raise self._no_room()
            return waiter.result()
        finally:
            timer.cancel()
            if not waiter.done():
                self._waiting.remove(waiter)

    def _no_room(self) -> TooManyEnvironments:
        return TooManyEnvironments(
            f"All {self._capacity.limit} function processes are busy."
            " Raise max_environments in [tool.lampwork], or let functions end sooner."
        )

    def _stopped(self) -> LampworkError:
        return LampworkError(f"{self.function.name} is being stopped.")

    def _refuse_waiting(self, error: Exception) -> None:
        while self._waiting:
            self._waiting.popleft().set_exception(error)

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
            environment.close()
        else:
            self._offer(environment)

    def _offer(self, environment: Environment) -> None:
        if self._waiting:
            self._waiting.popleft().set_result(environment)
            return
        environment.idle_since = self._loop.time()
        self._idle.append(environment)

    def _give_up(self, environment: Environment) -> None:
        self._idle.remove(environment)
        environment.close()

    def _on_death(self, environment: Environment) -> None:
        self._environments.discard(environment)
        if environment in self._idle:
            self._idle.remove(environment)
        self._died.set()
        self._capacity.release()
        self.grow()

    def _log(self, line: str, request_id: str) -> None:
        self._on_log(self.function, line, request_id)
