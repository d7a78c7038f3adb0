import asyncio
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from lampwork.errors import LampworkError
from lampwork.invocation.port import Invocation, Invoker
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import Function
from lampwork.triggers.durable.history import record_invocation
from lampwork.triggers.durable.operations import RUNNING, DurableExecution

# As AWS's testing library for durable functions does it: nothing else says how often and when.
MOST_FAILED_ATTEMPTS: Final = 5
BACKOFF_SECONDS: Final = 5
KEPT: Final = 1000


class DurableFunctions(Invoker):
    """Runs durable functions: an invocation of one begins a durable execution, which invokes the
    function again and again until it has ended. All other functions are invoked as they are.

    An execution is kept in `folder` at each step, and goes on after a restart, as its function's
    code finds what it has done before. Pauses take `time_scale` times as long as they say.
    """

    def __init__(
        self,
        invoker: Invoker,
        functions: Mapping[str, Function],
        *,
        folder: Path,
        say: Callable[[str, str], None],
        time_scale: float = 1,
    ) -> None:
        self._invoker = invoker
        self._folder = folder
        self._say = say
        self.time_scale = time_scale
        self.executions: dict[str, DurableExecution] = {}
        self._changed: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self.update(functions)

    def update(self, functions: Mapping[str, Function]) -> None:
        durable = {name: each for name, each in functions.items() if each.durable}
        self._durable = FunctionNames(durable) if durable else None

    def start(self) -> None:
        """Go on with the executions that had not ended when the last process did."""
        for file in sorted(self._folder.glob("*.json")):
            execution = DurableExecution(**json.loads(file.read_text()))
            self.executions[execution.arn] = execution
            if execution.is_running:
                self._begin(execution)
                for operation in list(execution.chained):
                    self._chain(execution, operation)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        client_context: str | None = None,
        request_id: str | None = None,
        trace_header: str | None = None,
        **more: Any,
    ) -> Invocation:
        """As `Invoker.invoke`. The answer of a durable function is that of its execution."""
        found = None if self._durable is None else self._durable.called(function)
        if found is None:
            return await self._invoker.invoke(
                function,
                payload,
                client_context=client_context,
                request_id=request_id,
                trace_header=trace_header,
                **more,
            )
        # The tries of an event have one id, and one execution: Lambda does not begin it anew.
        execution = self.begin(found, payload, request_id)
        began = time.monotonic()
        while execution.is_running:
            await self._change(execution).wait()
        return _invocation(execution, request_id, (time.monotonic() - began) * 1000)

    def is_taken(self, function: Function, name: str, payload: bytes) -> bool:
        """Whether an execution of this function has the name, for another payload.

        https://docs.aws.amazon.com/lambda/latest/dg/durable-execution-idempotency.html
        """
        return any(
            (each.name, each.function) == (name, function.logical_id)
            and each.input != payload.decode()
            for each in self.executions.values()
        )

    def begin(
        self, function: Function, payload: bytes, name: str | None = None
    ) -> DurableExecution:
        """Begin a durable execution. One with the name of one that exists is that one."""
        name = name or str(uuid.uuid4())
        qualified = f"{function.arn}:{function.version}"
        for present in self.executions.values():
            if (present.name, present.function_arn) == (name, qualified):
                return present
        limit = function.durable.execution_timeout_seconds if function.durable else None
        now = time.time()
        execution = DurableExecution(
            arn=f"{qualified}/durable-execution/{name}/{uuid.uuid4()}",
            name=name,
            function=function.logical_id,
            function_arn=qualified,
            input=payload.decode(),
            started=now,
            deadline=None if limit is None else now + limit,
        )
        execution.begin()
        self.executions[execution.arn] = execution
        self._say(function.logical_id, f"durable execution {name} started")
        self._begin(execution)
        return execution

    def changed(self, execution: DurableExecution) -> None:
        """Keep what has changed, and wake whoever waits for it."""
        self._keep(execution)
        self._change(execution).set()
        self._changed[execution.arn] = asyncio.Event()

    def chain(self, execution: DurableExecution, before: set[str]) -> None:
        """Invoke the functions that a checkpoint has added to those of `before`."""
        for operation in execution.chained.keys() - before:
            self._chain(execution, operation)

    def _begin(self, execution: DurableExecution) -> None:
        self._keep(execution)
        self._spawn(self._run(execution))

    def _chain(self, execution: DurableExecution, operation: str) -> None:
        self._spawn(self._run_chained(execution, operation))

    def _spawn(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, execution: DurableExecution) -> None:
        failed = 0
        while execution.is_running:
            event = json.dumps(execution.invocation_input()).encode()
            self._keep(execution)
            answer, error = await self._invoke(execution, event)
            if not execution.is_running:
                break
            if error is not None:
                failed += 1
                if failed >= MOST_FAILED_ATTEMPTS:
                    execution.finish("FAILED", time.time(), error=error)
                else:
                    await asyncio.sleep(BACKOFF_SECONDS * self.time_scale)
                continue
            failed = 0
            self._take(execution, answer)
            while execution.is_running and not execution.unseen:
                await self._until_due(execution)
        self.changed(execution)
        self._say(execution.function, f"durable execution {execution.name} {_ending(execution)}")

    async def _invoke(
        self, execution: DurableExecution, event: bytes
    ) -> tuple[Any, dict[str, Any] | None]:
        """The function's answer, and the error if it has none."""
        began = time.time()
        request_id = str(uuid.uuid4())
        answer: Any = None
        error: dict[str, Any] | None = None
        try:
            invocation = await self._invoker.invoke(
                execution.function, event, request_id=request_id
            )
            answer = json.loads(invocation.payload)
            if invocation.function_error is not None:
                answer, error = None, {
                    "ErrorMessage": answer.get("errorMessage", ""),
                    "ErrorType": answer.get("errorType", "Error"),
                    "StackTrace": answer.get("stackTrace", []),
                }
        except LampworkError as failure:
            error = {"ErrorMessage": str(failure), "ErrorType": type(failure).__name__}
        if execution.is_running:
            record_invocation(
                execution.events,
                started=began,
                ended=time.time(),
                request_id=request_id,
                error=error or (answer.get("Error") if isinstance(answer, dict) else None),
            )
        return answer, error

    def _take(self, execution: DurableExecution, answer: Any) -> None:
        now = time.time()
        match answer:
            case {"Status": "SUCCEEDED"}:
                execution.finish("SUCCEEDED", now, result=answer.get("Result"))
            case {"Status": "FAILED"}:
                execution.finish("FAILED", now, error=answer.get("Error") or {})
            case {"Status": "PENDING"} if execution.has_pending():
                execution.complete_due(now)
            case {"Status": "PENDING"}:
                problem = "Cannot return PENDING status with no pending operations."
                execution.finish("FAILED", now, error={"ErrorMessage": problem})
            case _:
                problem = "Invalid Status in invocation output."
                execution.finish("FAILED", now, error={"ErrorMessage": problem})

    async def _until_due(self, execution: DurableExecution) -> None:
        """Wait until something has changed or is due."""
        due = execution.next_due()
        seconds = None if due is None else max(0, due - time.time())
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._change(execution).wait()
        now = time.time()
        if execution.deadline is not None and execution.deadline <= now:
            error = {"ErrorMessage": "Execution timed out", "ErrorType": "Execution.Timeout"}
            execution.finish("TIMED_OUT", now, error=error)
        execution.complete_due(now)

    async def _run_chained(self, execution: DurableExecution, operation: str) -> None:
        function, payload = execution.chained[operation]
        status, result, error = "SUCCEEDED", None, None
        try:
            invocation = await self.invoke(function, payload.encode())
            answer = invocation.payload.decode()
            if invocation.function_error is None:
                result = answer
            else:
                told = json.loads(answer)
                status = "FAILED"
                error = {
                    "ErrorMessage": told.get("errorMessage", ""),
                    "ErrorType": told.get("errorType", "Error"),
                }
        except LampworkError as failure:
            status, error = "FAILED", {
                "ErrorMessage": str(failure),
                "ErrorType": type(failure).__name__,
            }
        execution.end_chained(operation, time.time(), status=status, result=result, error=error)
        self.changed(execution)

    def _change(self, execution: DurableExecution) -> asyncio.Event:
        return self._changed.setdefault(execution.arn, asyncio.Event())

    def _keep(self, execution: DurableExecution) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / f"{execution.arn.rpartition('/')[2]}.json"
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(execution)))
        os.replace(draft, file)
        for old in self._old():
            del self.executions[old.arn]
            (self._folder / f"{old.arn.rpartition('/')[2]}.json").unlink(missing_ok=True)

    def _old(self) -> Iterator[DurableExecution]:
        over = [each for each in self.executions.values() if not each.is_running]
        return iter(over[: max(0, len(over) - KEPT)])


def _invocation(
    execution: DurableExecution, request_id: str | None, milliseconds: float
) -> Invocation:
    failed = execution.status not in (RUNNING, "SUCCEEDED")
    error = execution.error or {}
    told = {
        "errorMessage": error.get("ErrorMessage") or execution.status,
        "errorType": error.get("ErrorType") or "Error",
        "stackTrace": error.get("StackTrace") or [],
    }
    payload = json.dumps(told) if failed else execution.result or "null"
    return Invocation(
        request_id=request_id or str(uuid.uuid4()),
        payload=payload.encode(),
        function_error="Unhandled" if failed else None,
        log=b"",
        duration_ms=milliseconds,
        durable_execution=execution.arn,
    )


def _ending(execution: DurableExecution) -> str:
    seconds = (execution.ended or execution.started) - execution.started
    error = execution.error or {}
    why = f": {error.get('ErrorType') or 'Error'}: {error.get('ErrorMessage')}" if error else ""
    return f"{execution.status} after {seconds:.1f} s{why}"
