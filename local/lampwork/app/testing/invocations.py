"""What stands between the callers of functions and the functions while a test runs: it notes what
becomes of each invocation, and lets those fail that the test has chosen."""

import asyncio
import json
import time
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from lampwork.errors import LampworkError, Throttled
from lampwork.invocation.port import Invocation, Invoker
from lampwork.json_text import parsed
from lampwork.runtime.execution.function_errors import exited, timed_out
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Function

MOST_NOTED: Final = 10_000
KILLED: Final = -9

ERROR: Final = "error"
THROTTLE: Final = "throttle"
TIMEOUT: Final = "timeout"
KILL: Final = "kill"


@dataclass(frozen=True, slots=True)
class Fault:
    """How an invocation is to fail. One that is `after_run` fails once the function has done its
    work, so that only its answer is lost."""

    kind: str
    type: str = "Fault"
    message: str = "This invocation was chosen to fail."
    after_run: bool = False


@dataclass(frozen=True, slots=True)
class Noted:
    """An invocation that has ended; with the status "refused" or "throttled" it did not begin."""

    function: str
    request_id: str
    status: str
    event: Any
    answer: Any
    error_type: str | None
    error_message: str | None
    started: float
    duration_ms: float
    cold: bool
    trace_header: str | None
    log: str


class WatchedFunctions(Invoker):
    """`restart` ends the processes of a function, as a time-out or a kill does."""

    def __init__(
        self,
        invoker: Invoker,
        functions: Callable[[], Mapping[str, Function]],
        restart: Callable[[str], None],
    ) -> None:
        self._invoker = invoker
        self._functions = functions
        self._restart = restart
        self._named: Mapping[str, Function] | None = None
        self._noted: deque[Noted] = deque(maxlen=MOST_NOTED)
        self._faults: dict[str, deque[Fault]] = {}
        self.running: Counter[str] = Counter()
        self.begun = 0

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        request_id: str | None = None,
        trace_header: str | None = None,
        **more: Any,
    ) -> Invocation:
        """As `Invoker.invoke`."""
        called = self._names().called(function)
        name = called.logical_id if called else function
        self.begun += 1
        self.running[name] += 1
        more |= {"request_id": request_id or str(uuid.uuid4()), "trace_header": trace_header}
        run = asyncio.ensure_future(self._run(called, function, payload, more))
        run.add_done_callback(lambda _: self._ended(name))
        run.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        return await asyncio.shield(run)  # it runs to its end, also without its caller

    def noted(self, function: str | None) -> list[dict[str, Any]]:
        """Those that have ended, the oldest first."""
        return [asdict(each) for each in self._noted if function in (None, each.function)]

    def fail_next(self, function: str, fault: Fault, times: int) -> None:
        self._faults.setdefault(function, deque()).extend([fault] * times)

    def forget(self) -> None:
        """Forget what was noted, and the faults that have not come to pass."""
        self._noted.clear()
        self._faults.clear()

    def _names(self) -> FunctionNames:
        functions = self._functions()
        if functions is not self._named:  # the template was read again
            self._named, self._function_names = functions, FunctionNames(functions)
        return self._function_names

    def _ended(self, name: str) -> None:
        self.running[name] -= 1
        if not self.running[name]:
            del self.running[name]

    async def _run(
        self, called: Function | None, name: str, payload: bytes, more: dict[str, Any]
    ) -> Invocation:
        began, started = time.monotonic(), time.time()
        invocation, refusal = None, None
        try:
            invocation = await self._faulty_or_not(called, name, payload, more)
            return invocation
        except LampworkError as error:
            refusal = error
            raise
        finally:
            failed: dict[str, Any] = {}
            if invocation is not None and invocation.function_error is not None:
                failed = json.loads(invocation.payload)
            elif refusal is not None:
                failed = {"errorType": type(refusal).__name__, "errorMessage": str(refusal)}
            self._noted.append(
                Noted(
                    function=called.logical_id if called else name,
                    request_id=more["request_id"],
                    status=_status(invocation, refusal),
                    event=_value(payload),
                    answer=_value(invocation.payload) if invocation and not failed else None,
                    error_type=failed.get("errorType"),
                    error_message=failed.get("errorMessage"),
                    started=started,
                    duration_ms=(time.monotonic() - began) * 1000,
                    cold=invocation is not None and invocation.init_ms is not None,
                    trace_header=more["trace_header"],
                    log=invocation.log.decode(errors="replace") if invocation else "",
                )
            )

    async def _faulty_or_not(
        self, called: Function | None, name: str, payload: bytes, more: dict[str, Any]
    ) -> Invocation:
        faults = self._faults.get(called.logical_id) if called else None
        if called is None or not faults:
            return await self._invoker.invoke(name, payload, **more)
        fault = faults.popleft()
        if fault.kind == THROTTLE:
            raise Throttled(f"{called.name} was chosen to be throttled by a test.")
        log = b""
        if fault.after_run:
            log = (await self._invoker.invoke(name, payload, **more)).log
        if fault.kind in (TIMEOUT, KILL):
            self._restart(called.logical_id)
        return Invocation(
            request_id=more["request_id"],
            payload=_error(fault, called, more["request_id"]),
            function_error="Unhandled",
            log=log,
            duration_ms=0.0,
        )


def _error(fault: Fault, function: Function, request_id: str) -> bytes:
    if fault.kind == TIMEOUT:
        return timed_out(request_id, function.timeout_seconds)
    if fault.kind == KILL:
        return exited(request_id, KILLED)
    error = {"errorType": fault.type, "errorMessage": fault.message, "stackTrace": []}
    return json.dumps(error).encode()


def _status(invocation: Invocation | None, refusal: LampworkError | None) -> str:
    if invocation is not None:
        return "ok" if invocation.function_error is None else "error"
    return "throttled" if isinstance(refusal, Throttled) else "refused"


def _value(content: bytes) -> Any:
    """A document, or the text of what is none."""
    try:
        return parsed(content)
    except ValueError:
        return content.decode(errors="replace")
