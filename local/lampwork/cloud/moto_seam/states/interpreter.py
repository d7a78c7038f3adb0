"""Runs state machines with moto's interpreter of Amazon States Language.

Importing this module loads the interpreter, which takes a second.
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from moto.stepfunctions.parser.api import (
    ExecutionAbortedEventDetails,
    ExecutionStartedEventDetails,
    ExecutionTimedOutEventDetails,
    HistoryEventExecutionDataDetails,
    HistoryEventType,
)
from moto.stepfunctions.parser.asl.eval.callback.callback import (
    CallbackOutcomeFailure,
    CallbackOutcomeSuccess,
)
from moto.stepfunctions.parser.asl.eval.environment import Environment
from moto.stepfunctions.parser.asl.eval.evaluation_details import AWSExecutionDetails
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.event.event_manager import EventHistoryContext
from moto.stepfunctions.parser.asl.eval.program_state import (
    ProgramError,
    ProgramStopped,
    ProgramTimedOut,
)
from moto.stepfunctions.parser.asl.parse.asl_parser import ASLParserException
from moto.stepfunctions.parser.asl.static_analyser.express_static_analyser import (
    ExpressStaticAnalyser,
)
from moto.stepfunctions.parser.backend.activity import Activity
from moto.stepfunctions.parser.utils import TMP_THREADS

from lampwork.cloud.moto_seam.states import api_calls, batches, parsing
from lampwork.cloud.moto_seam.states.names import STATES
from lampwork.cloud.moto_seam.states.parsing import parsed, prepared
from lampwork.cloud.moto_seam.states.repairs import ClientOf, install
from lampwork.cloud.state_machines.records import EXPRESS, Execution, Machine
from lampwork.stack.model import ACCOUNT_ID

__all__ = ["Interpreter"]

NOT_TRUNCATED: Final = HistoryEventExecutionDataDetails(truncated=False)
# https://docs.aws.amazon.com/step-functions/latest/dg/choosing-workflow-type.html
EXPRESS_SECONDS: Final = 5 * 60
CUT_SHORT: Final = (HistoryEventType.ExecutionAborted, HistoryEventType.ExecutionTimedOut)
DETAILS: Final[Any] = EventDetails  # as Any, because its type asks for the details of all events


class TaskIsOver(Exception):
    """The task that a token stands for has ended, or its time is over."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended. `output` is JSON, of one that has succeeded."""

    status: str
    output: str | None = None
    error: str | None = None
    cause: str | None = None


class Interpreter:
    """Runs executions. Their tasks call services by the clients that `client_of` gives, and the
    emulator's APIs at the address `gateway`.

    Raises:
        UnknownVersion: moto's interpreter is not as Lampwork knows it.
    """

    def __init__(self, client_of: ClientOf, time_scale: float, gateway: str | None = None) -> None:
        STATES.check()
        api_calls.install(gateway)
        install(client_of, time_scale)
        parsing.install()
        batches.install()

    over = TaskIsOver

    def problem(self, definition: str, *, express: bool) -> str:
        """What is wrong with a definition; "" if it can be run."""
        try:
            parsed(definition)
            if express:
                ExpressStaticAnalyser().analyse(prepared(definition))
        except ASLParserException as error:
            return f"SCHEMA_VALIDATION_FAILED: {'; '.join(error.errors)}"
        except Exception as error:  # the parser raises any kind for what it does not expect
            text = str(error).removeprefix("Invalid State Machine Definition: '")
            return f"SCHEMA_VALIDATION_FAILED: {text.removeprefix('SCHEMA_VALIDATION_FAILED: ')}"
        return ""

    def run(
        self,
        machine: Machine,
        execution: Execution,
        activities: Mapping[str, Activity],
        ended: Callable[[Outcome], None],
    ) -> "Run":
        """The run of an execution, not started yet. It calls `ended` when it is over."""
        return Run(machine, execution, activities, ended)

    def activity(self, arn: str, name: str) -> Activity:
        """The queue of an activity's tasks."""
        return Activity(arn, name)


class Run:
    """One execution while it runs, and its history. `ended` is called when it is over."""

    def __init__(
        self,
        machine: Machine,
        execution: Execution,
        activities: Mapping[str, Activity],
        ended: Callable[[Outcome], None],
    ) -> None:
        is_express = machine.type == EXPRESS
        program = parsed(execution.definition, EXPRESS_SECONDS if is_express else None)
        self._program = program
        self._execution = execution
        self._ended = ended
        self._env: Any = _environment(machine, execution, activities)
        # Its state is "running" from here on, so that it can be stopped before it has begun.
        self._env.next_state_name = program.start_at.start_at_name
        self._ending = threading.Lock()
        self._is_over = False

    def start(self) -> None:
        """Run in a thread of its own. It can be stopped as soon as this returns."""
        self._record_start()
        threading.Thread(target=self._run, daemon=True).start()

    def run(self) -> None:
        """Run to the end."""
        self._record_start()
        self._run()

    def stop(self, error: str | None, cause: str | None) -> None:
        """End the execution at once, whatever its task still does."""
        self._env.set_stop(stop_date=datetime.now(UTC), cause=cause, error=error)
        if isinstance(self._env.program_state(), ProgramStopped):
            self._end()

    def _record_start(self) -> None:
        execution = self._execution
        self._env.event_manager.add_event(
            context=self._env.event_history_context,
            event_type=HistoryEventType.ExecutionStarted,
            event_details=DETAILS(
                executionStartedEventDetails=ExecutionStartedEventDetails(
                    input=execution.input, inputDetails=NOT_TRUNCATED, roleArn=execution.role_arn
                )
            ),
            update_source_event_id=False,
        )

    def _run(self) -> None:
        self._program.eval(self._env)
        TMP_THREADS.clear()  # moto keeps every thread that it has started
        self._end()

    def _end(self) -> None:
        with self._ending:
            if self._is_over:
                return
            self._is_over = True
        self._record_early_end()
        self._ended(self._outcome())

    def _record_early_end(self) -> None:
        """Record the end of an execution that was cut short.

        The interpreter records it when the present task returns, and not at all before the first
        state has begun.
        """
        context = self._env.event_history_context
        match self._env.program_state():
            case ProgramStopped(error=error, cause=cause):
                kind, details = HistoryEventType.ExecutionAborted, DETAILS(
                    executionAbortedEventDetails=ExecutionAbortedEventDetails(
                        error=error, cause=cause
                    )
                )
                context.source_event_id = 0
            case ProgramTimedOut():
                kind, details = HistoryEventType.ExecutionTimedOut, DETAILS(
                    executionTimedOutEventDetails=ExecutionTimedOutEventDetails()
                )
            case _:
                return
        self._env.event_manager.add_event(context=context, event_type=kind, event_details=details)

    def history(self) -> list[dict[str, Any]]:
        """The events so far, as GetExecutionHistory gives them."""
        events: list[dict[str, Any]] = self._env.event_manager.get_event_history()
        ends = (number for number, event in enumerate(events, 1) if event["type"] in CUT_SHORT)
        # What a task does after its execution was cut short is not part of it.
        del events[next(ends, len(events)) :]
        for event in events:
            event["timestamp"] = datetime.fromisoformat(event["timestamp"]).timestamp()
        plain: list[dict[str, Any]] = json.loads(json.dumps(events, default=str))
        return plain

    def knows(self, token: str) -> bool:
        """Whether one of its tasks has this token."""
        return self._env.callback_pool_manager.get(token) is not None

    def succeed(self, token: str, output: str) -> None:
        """
        Raises:
            TaskIsOver: the task waits no more.
        """
        outcome = CallbackOutcomeSuccess(callback_id=token, output=output)
        self._waiting(token).notify(outcome)

    def fail(self, token: str, error: str | None, cause: str | None) -> None:
        """
        Raises:
            TaskIsOver: the task waits no more.
        """
        outcome = CallbackOutcomeFailure(callback_id=token, error=error, cause=cause)
        self._waiting(token).notify(outcome)

    def heartbeat(self, token: str) -> None:
        """
        Raises:
            TaskIsOver: the task waits no more.
        """
        self._waiting(token).notify_heartbeat()

    def begin_activity(self, token: str, worker: str | None) -> None:
        """A worker has taken the task of an activity."""
        self._env.callback_pool_manager.get(token).notify_activity_task_start(worker)

    def map_runs(self) -> list[Any]:
        """moto's records of the runs of distributed maps."""
        found: list[Any] = self._env.map_run_record_pool_manager.get_all()
        return found

    def _waiting(self, token: str) -> Any:
        endpoint = self._env.callback_pool_manager.get(token)
        # It is set when the task was answered, and when the interpreter waits for it no more.
        if endpoint._notify_event.is_set() or not self._env.is_running():
            raise TaskIsOver
        return endpoint

    def _outcome(self) -> Outcome:
        match self._env.program_state():
            case ProgramStopped(error=error, cause=cause):
                return Outcome("ABORTED", error=error, cause=cause)
            case ProgramError(error=details):
                details = details or {}
                return Outcome(
                    "FAILED", error=details.get("error"), cause=_text(details.get("cause"))
                )
            case ProgramTimedOut():
                return Outcome("TIMED_OUT")
            case _:
                output = self._env.states.get_input()
                text = json.dumps(output, separators=(",", ":"), default=str)
                return Outcome("SUCCEEDED", output=text)


def _text(cause: Any) -> str | None:
    return cause if cause is None or isinstance(cause, str) else json.dumps(cause)


def _environment(
    machine: Machine, execution: Execution, activities: Mapping[str, Activity]
) -> Environment:
    started = datetime.fromtimestamp(execution.started, UTC)
    context: Any = {
        "Execution": {
            "Id": execution.arn,
            "Input": json.loads(execution.input),
            "Name": execution.name,
            "RoleArn": execution.role_arn,
            "StartTime": started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "RedriveCount": 0,
        },
        "StateMachine": {"Id": execution.machine_arn, "Name": machine.name},
    }
    kind: Any = machine.type
    queues: Any = activities
    return Environment(
        aws_execution_details=AWSExecutionDetails(
            account=ACCOUNT_ID, region=execution.region, role_arn=execution.role_arn
        ),
        execution_type=kind,
        context=context,
        event_history_context=EventHistoryContext.of_program_start(),
        cloud_watch_logging_session=None,
        activity_store=queues,
    )
