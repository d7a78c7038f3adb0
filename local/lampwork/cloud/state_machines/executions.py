import json
import sys
import threading
import time
import uuid
from collections.abc import Callable
from typing import Any, Final, Protocol

from lampwork.cloud.state_machines.errors import StatesError, invalid_arn, wrong_type
from lampwork.cloud.state_machines.records import EXPRESS, STANDARD, Execution, Machine
from lampwork.cloud.state_machines.store import Store

LONGEST_CAUSE: Final = 300


class Outcome(Protocol):
    """How an execution ended; `output` is JSON."""

    @property
    def status(self) -> str: ...
    @property
    def output(self) -> str | None: ...
    @property
    def error(self) -> str | None: ...
    @property
    def cause(self) -> str | None: ...


class Run(Protocol):
    """An execution that runs."""

    def start(self) -> None: ...
    def run(self) -> None: ...
    def stop(self, error: str | None, cause: str | None) -> None: ...
    def history(self) -> list[dict[str, Any]]: ...
    def knows(self, token: str) -> bool: ...
    def succeed(self, token: str, output: str) -> None: ...
    def fail(self, token: str, error: str | None, cause: str | None) -> None: ...
    def heartbeat(self, token: str) -> None: ...
    def begin_activity(self, token: str, worker: str | None) -> None: ...
    def map_runs(self) -> list[Any]: ...


RunOf = Callable[[Machine, Execution, Callable[[Outcome], None]], Run]
"""Makes the run of an execution; it calls the last argument when it is over."""

Announce = Callable[[Machine, Execution], None]
"""Called whenever the status of an execution of a standard state machine has changed."""


class Executions:
    """Starts executions, and notes how they end."""

    def __init__(self, store: Store, run_of: RunOf, announce: Announce) -> None:
        self._store = store
        self._run_of = run_of
        self._announce = announce
        self._starting = threading.Lock()
        self.runs: dict[str, Run] = {}

    def start(self, machine_arn: str, *, name: str, input: str, trace: str = "") -> Execution:
        """Start an execution.

        A standard one with the name and the input of one that runs is that one.

        Raises:
            StatesError: there is no such state machine, the input is no JSON, or the name is taken.
        """
        with self._starting:
            execution, machine = self._execution(machine_arn, name, input, trace)
            present = self._store.executions.get(execution.arn)
            if present is not None:
                if present.is_running and json.loads(present.input) == json.loads(input):
                    return present
                message = f"Execution Already Exists: '{execution.arn}'"
                raise StatesError("ExecutionAlreadyExists", message)
            run = self._begin(machine, execution)
        self._tell(machine, execution)
        run.start()
        return execution

    def run(self, machine_arn: str, *, name: str, input: str, trace: str = "") -> Execution:
        """Run an execution of an express state machine to its end.

        Raises:
            StatesError: there is no such state machine, the input is no JSON, or it is a standard
                one.
        """
        execution, machine = self._execution(machine_arn, name, input, trace)
        if machine.type != EXPRESS:
            raise wrong_type()
        self._begin(machine, execution).run()
        return execution

    def history(self, execution: Execution) -> list[dict[str, Any]]:
        run = self.runs.get(execution.arn)
        return execution.history if run is None else run.history()

    def waiting_for(self, token: str) -> Run:
        """The run with the task that has this token.

        Raises:
            StatesError: no task here has it.
        """
        for run in list(self.runs.values()):
            if run.knows(token):
                return run
        raise StatesError("InvalidToken", "Invalid Token: 'Invalid token'")

    def _execution(self, arn: str, name: str, input: str, trace: str) -> tuple[Execution, Machine]:
        if ":stateMachine:" not in arn:
            raise invalid_arn(arn)
        machine, version, version_arn, alias_arn = self._store.resolve(arn)
        try:
            json.loads(input)
        except ValueError as error:
            message = f"Invalid State Machine Execution Input: '{error}'"
            raise StatesError("InvalidExecutionInput", message) from error
        source = version or machine
        execution = Execution(
            arn=_arn(machine, name),
            name=name,
            machine_arn=machine.arn,
            definition=source.definition,
            role_arn=source.role_arn,
            input=input,
            version_arn=version_arn,
            alias_arn=alias_arn,
            trace_header=trace,
        )
        return execution, machine

    def _begin(self, machine: Machine, execution: Execution) -> Run:
        def ended(outcome: Outcome) -> None:
            self._end(machine, execution, outcome)

        run = self._run_of(machine, execution, ended)
        self.runs[execution.arn] = run
        self._store.keep_execution(execution)
        _say(machine, f"execution {execution.name} started")
        return run

    def _end(self, machine: Machine, execution: Execution, outcome: Outcome) -> None:
        execution.history = self.runs[execution.arn].history()
        execution.stopped = time.time()
        execution.output, execution.error = outcome.output, outcome.error
        execution.cause, execution.status = outcome.cause, outcome.status
        del self.runs[execution.arn]
        self._store.keep_execution(execution)
        _say(machine, f"execution {execution.name} {_ending(execution)}")
        self._tell(machine, execution)

    def _tell(self, machine: Machine, execution: Execution) -> None:
        if machine.type == STANDARD:
            self._announce(machine, execution)


def _arn(machine: Machine, name: str) -> str:
    if machine.type == EXPRESS:
        return machine.arn.replace(":stateMachine:", ":express:") + f":{name}:{uuid.uuid4()}"
    return machine.arn.replace(":stateMachine:", ":execution:") + f":{name}"


def _ending(execution: Execution) -> str:
    seconds = (execution.stopped or execution.started) - execution.started
    ending = f"{execution.status} after {seconds:.1f} s"
    if execution.status == "SUCCEEDED":
        return ending
    where = failed_state(execution.history)
    ending += f" in state {where}" if where else ""
    if execution.error:
        ending += f": {execution.error}"
    if execution.cause:
        cause = " ".join(execution.cause.split())
        ending += f": {cause[:LONGEST_CAUSE]}{'…' if len(cause) > LONGEST_CAUSE else ''}"
    return ending


def failed_state(history: list[dict[str, Any]]) -> str | None:
    """The state in which an execution ended that did not succeed; None if none was entered."""
    by_id = {event["id"]: event for event in history}
    event = history[-1] if history else None
    while event is not None:
        if details := event.get("stateEnteredEventDetails"):
            return str(details["name"])
        event = by_id.get(event["previousEventId"])
    return None


def _say(machine: Machine, text: str) -> None:
    print(f"{machine.title}: {text}", file=sys.stderr, flush=True)  # noqa: T201 - the server's log
