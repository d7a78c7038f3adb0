"""What a durable execution has done so far, and how checkpoints, time and callbacks change it.

The shapes are those of Lambda's API model; the rules are those of AWS's SDK for durable functions
and of its testing library. https://docs.aws.amazon.com/lambda/latest/dg/durable-functions.html
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from lampwork.triggers.durable.history import Event, payload, record

Operation = dict[str, Any]
"""An operation as GetDurableExecutionState gives it; times are seconds since 1970."""

RUNNING: Final = "RUNNING"
TIMED_OUT: Final = "TIMED_OUT"
ENDED: Final = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", TIMED_OUT, "STOPPED"})
TIMES: Final = frozenset(
    {"StartTimestamp", "EndTimestamp", "NextAttemptTimestamp", "ScheduledEndTimestamp"}
)
CALLBACK_TIMED_OUT: Final = {
    "deadline": {"ErrorMessage": "Callback timed out", "ErrorType": "Callback.Timeout"},
    "heartbeat_deadline": {
        "ErrorMessage": "Callback timed out on heartbeat",
        "ErrorType": "Callback.Heartbeat",
    },
}


class InvalidCheckpoint(Exception):
    """A checkpoint that Lambda refuses; the message says why."""


@dataclass(slots=True)
class DurableExecution:
    """A durable execution. `function` is what to invoke; `input` and `result` are JSON.

    `waits` are what callbacks wait for besides their answer: deadlines by operation. `chained` are
    the functions that operations have invoked, each with its payload.
    """

    arn: str
    name: str
    function: str
    function_arn: str
    input: str
    started: float
    deadline: float | None = None
    status: str = RUNNING
    ended: float | None = None
    result: str | None = None
    error: dict[str, Any] | None = None
    operations: dict[str, Operation] = field(default_factory=dict)
    waits: dict[str, dict[str, float]] = field(default_factory=dict)
    chained: dict[str, list[str]] = field(default_factory=dict)
    checkpoints: int = 0
    unseen: list[str] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def begin(self) -> None:
        """Note in the history that the execution has begun."""
        limit = 0 if self.deadline is None else round(self.deadline - self.started)
        details = {"Input": payload(self.input), "ExecutionTimeout": limit}
        self._record_own("STARTED", self.started, details)

    @property
    def is_running(self) -> bool:
        return self.status == RUNNING

    @property
    def id(self) -> str:
        return self.arn.rpartition("/")[2]

    @property
    def token(self) -> str:
        """What the next checkpoint must bring."""
        return base64.urlsafe_b64encode(f"{self.arn} {self.checkpoints}".encode()).decode()

    def invocation_input(self) -> dict[str, Any]:
        """The event of the function's next invocation."""
        updated = list(dict.fromkeys(self.unseen))
        self.checkpoints += 1
        self.unseen.clear()
        return {
            "DurableExecutionArn": self.arn,
            "CheckpointToken": self.token,
            "InitialExecutionState": {
                "Operations": [in_milliseconds(each) for each in self.all_operations()],
                "NextMarker": "",
            },
            "UpdatedOperationIds": updated,
        }

    def all_operations(self) -> list[Operation]:
        """All operations. The first is the execution itself."""
        itself = {
            "Id": self.id,
            "Type": "EXECUTION",
            "Status": "STARTED",
            "StartTimestamp": self.started,
            "Name": self.name,
            "ExecutionDetails": {"InputPayload": self.input},
        }
        return [itself, *self.operations.values()]

    def checkpoint(
        self, token: str, updates: Sequence[Mapping[str, Any]], now: float, time_scale: float
    ) -> list[Operation]:
        """Apply the updates of a checkpoint. Returns the operations that the function has not seen
        yet. Pauses take `time_scale` times as long as they say.

        Raises:
            InvalidCheckpoint: the token is not the newest one, or an update is wrong.
        """
        if token != self.token or not self.is_running:
            raise InvalidCheckpoint("Invalid checkpoint token")
        for update in updates:
            self._apply(update, now, time_scale)
        self.checkpoints += 1
        self.complete_due(now)
        seen = [self.operations[each] for each in dict.fromkeys(self.unseen)]
        self.unseen.clear()
        return seen

    def complete_due(self, now: float) -> None:
        """End the waits that are over, make failed steps ready, and let callbacks time out."""
        for operation in self.operations.values():
            match operation:
                case {"Type": "WAIT", "Status": "STARTED", "WaitDetails": details}:
                    if details["ScheduledEndTimestamp"] <= now:
                        self._end(operation, "SUCCEEDED", now)
                case {"Type": "STEP", "Status": "PENDING", "StepDetails": details}:
                    if details["NextAttemptTimestamp"] <= now:
                        operation["Status"] = "READY"
                        self.unseen.append(operation["Id"])
                case {"Type": "CALLBACK", "Status": "STARTED", "Id": name}:
                    for kind, moment in self.waits.get(name, {}).items():
                        if kind in CALLBACK_TIMED_OUT and moment <= now and name in self.waits:
                            self.end_callback(name, TIMED_OUT, now, error=CALLBACK_TIMED_OUT[kind])
                            break

    def next_due(self) -> float | None:
        """When something is due next; None if nothing is."""
        return min(self._due(), default=None)

    def has_pending(self) -> bool:
        """Whether something will wake the function again."""
        return bool(self.unseen) or any(
            each["Status"] in ("PENDING", "READY")
            or (each["Type"] in ("WAIT", "CALLBACK", "CHAINED_INVOKE") and _is_open(each))
            for each in self.operations.values()
        )

    def end_callback(
        self,
        name: str,
        status: str,
        now: float,
        *,
        result: str | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> bool:
        """Give a callback its answer. Returns False if it has one already."""
        operation = self.operations.get(name)
        if operation is None or not _is_open(operation):
            return False
        operation["CallbackDetails"] |= _answer(result, error)
        self.waits.pop(name, None)
        self._end(operation, status, now)
        return True

    def beat(self, name: str, now: float) -> bool:
        """Note a sign of life of whoever answers a callback. Returns False if it has ended."""
        operation = self.operations.get(name)
        if operation is None or not _is_open(operation):
            return False
        waits = self.waits.get(name, {})
        if "heartbeat" in waits:
            waits["heartbeat_deadline"] = now + waits["heartbeat"]
        return True

    def end_chained(
        self,
        name: str,
        now: float,
        *,
        status: str,
        result: str | None,
        error: Mapping[str, Any] | None,
    ) -> None:
        operation = self.operations[name]
        operation["ChainedInvokeDetails"] = _answer(result, error)
        self.chained.pop(name, None)
        self._end(operation, status, now)

    def finish(
        self,
        status: str,
        now: float,
        *,
        result: str | None = None,
        error: Mapping[str, Any] | None = None,
    ) -> None:
        if self.is_running:
            self.status, self.ended = status, now
            self.result, self.error = result, None if error is None else dict(error)
            succeeded = status == "SUCCEEDED"
            details = {"Result": payload(result)} if succeeded else {"Error": payload(error)}
            self._record_own(status, now, details)

    def _apply(self, update: Mapping[str, Any], now: float, time_scale: float) -> None:
        kind, action, name = update["Type"], update["Action"], update["Id"]
        if kind == "EXECUTION":
            status = "SUCCEEDED" if action == "SUCCEED" else "FAILED"
            self.finish(status, now, result=update.get("Payload"), error=update.get("Error"))
            return
        present = self.operations.get(name)
        if present is not None and not _is_open(present) and present["Status"] in ENDED:
            raise InvalidCheckpoint(f"The operation {name} has ended.")
        operation = present or {
            "Id": name,
            "Type": kind,
            "StartTimestamp": now,
            **{key: update[key] for key in ("ParentId", "Name", "SubType") if update.get(key)},
        }
        self.operations[name] = operation
        operation["Status"] = STATUSES[action]
        match kind:
            case "STEP":
                operation["StepDetails"] = _step(operation, update, now, time_scale)
            case "CONTEXT":
                operation["ContextDetails"] = {
                    **_answer(update.get("Payload"), update.get("Error")),
                    "ReplayChildren": update.get("ContextOptions", {}).get("ReplayChildren", False),
                }
            case "WAIT" if action == "START":
                seconds = update.get("WaitOptions", {}).get("WaitSeconds", 0)
                operation["WaitDetails"] = {"ScheduledEndTimestamp": now + seconds * time_scale}
            case "CALLBACK":
                operation["CallbackDetails"] = {"CallbackId": callback_id(self.arn, name)}
                self.waits[name] = dict(_waits(update.get("CallbackOptions", {}), now))
            case "CHAINED_INVOKE":
                function = update["ChainedInvokeOptions"]["FunctionName"]
                self.chained[name] = [function, update.get("Payload") or "{}"]
        if operation["Status"] in ENDED:
            operation["EndTimestamp"] = now
        self._record(operation, now, update)
        self.unseen.append(name)

    def _end(self, operation: Operation, status: str, now: float) -> None:
        operation |= {"Status": status, "EndTimestamp": now}
        self._record(operation, now, {})
        self.unseen.append(operation["Id"])

    def _record(self, operation: Operation, now: float, update: Mapping[str, Any]) -> None:
        kind, status = operation["Type"], operation["Status"]
        about = {each: operation.get(each) for each in ("Id", "Name", "SubType", "ParentId")}
        details = {"Duration": self._duration(operation, update)} if kind == "WAIT" else {}
        details |= _event_details(operation, update)
        record(self.events, kind, status, now, details, **about)

    def _duration(self, wait: Operation, update: Mapping[str, Any]) -> int:
        """The seconds that a wait takes, whatever the time scale makes of them."""
        if wait["Status"] == "STARTED":
            return int(update.get("WaitOptions", {}).get("WaitSeconds", 0))
        for event in reversed(self.events):
            if (event["EventType"], event.get("Id")) == ("WaitStarted", wait["Id"]):
                return int(event["WaitStartedDetails"]["Duration"])
        return 0

    def _record_own(self, status: str, now: float, details: Mapping[str, Any]) -> None:
        record(self.events, "EXECUTION", status, now, details, Id=self.id, Name=self.name)

    def _due(self) -> Iterator[float]:
        if self.deadline is not None:
            yield self.deadline
        for operation in self.operations.values():
            match operation:
                case {"Type": "WAIT", "Status": "STARTED", "WaitDetails": details}:
                    yield details["ScheduledEndTimestamp"]
                case {"Type": "STEP", "Status": "PENDING", "StepDetails": details}:
                    yield details["NextAttemptTimestamp"]
        for waits in self.waits.values():
            yield from (moment for kind, moment in waits.items() if kind in CALLBACK_TIMED_OUT)


STATUSES: Final = {
    "START": "STARTED",
    "SUCCEED": "SUCCEEDED",
    "FAIL": "FAILED",
    "RETRY": "PENDING",
    "CANCEL": "CANCELLED",
}


def in_milliseconds(value: Any) -> Any:
    """An operation as the event of an invocation has it, with times in milliseconds."""
    if not isinstance(value, dict):
        return value
    return {
        name: int(each * 1000) if name in TIMES and each is not None else in_milliseconds(each)
        for name, each in value.items()
    }


def callback_id(arn: str, operation: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([arn, operation]).encode()).decode()


def parted_callback_id(text: str) -> tuple[str, str]:
    """The execution and the operation of a callback.

    Raises:
        ValueError: it is no callback's id.
    """
    arn, operation = json.loads(base64.urlsafe_b64decode(text.encode()))
    return str(arn), str(operation)


def _is_open(operation: Operation) -> bool:
    return operation["Status"] not in ENDED


def _answer(result: str | None, error: Mapping[str, Any] | None) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    if result is not None:
        answer["Result"] = result
    if error is not None:
        answer["Error"] = dict(error)
    return answer


def _event_details(operation: Operation, update: Mapping[str, Any]) -> dict[str, Any]:
    """What the event of an operation's present status tells besides its names.

    `update` is what a checkpoint has said of it; empty if no checkpoint did.
    """
    match operation:
        case {"Type": "WAIT", "Status": "STARTED", "WaitDetails": wait}:
            return {"ScheduledEndTimestamp": wait["ScheduledEndTimestamp"]}
        case {"Type": "CALLBACK", "Status": "STARTED", "CallbackDetails": callback}:
            options = update.get("CallbackOptions", {})
            return {
                "CallbackId": callback["CallbackId"],
                "Timeout": options.get("TimeoutSeconds", 0),
                "HeartbeatTimeout": options.get("HeartbeatTimeoutSeconds", 0),
            }
        case {"Type": "CHAINED_INVOKE", "Status": "STARTED"}:
            function = update["ChainedInvokeOptions"]["FunctionName"]
            return {"FunctionName": function, "Input": payload(update.get("Payload"))}
        case {"Type": "WAIT", "Status": "SUCCEEDED"} | {"Status": "STARTED"}:
            return {}
    answer = operation.get(ANSWERS[operation["Type"]], {})
    succeeded = operation["Status"] == "SUCCEEDED"
    told = "Result" if succeeded else "Error"
    details = {told: payload(answer.get(told))}
    if operation["Type"] == "STEP":
        delay = update.get("StepOptions", {}).get("NextAttemptDelaySeconds")
        retry = {"CurrentAttempt": answer["Attempt"]}
        retries = operation["Status"] == "PENDING" and delay is not None
        details["RetryDetails"] = retry | ({"NextAttemptDelaySeconds": delay} if retries else {})
    return details


ANSWERS: Final = {
    "STEP": "StepDetails",
    "CONTEXT": "ContextDetails",
    "CALLBACK": "CallbackDetails",
    "CHAINED_INVOKE": "ChainedInvokeDetails",
    "WAIT": "WaitDetails",
}


def _step(
    operation: Operation, update: Mapping[str, Any], now: float, time_scale: float
) -> dict[str, Any]:
    attempt = operation.get("StepDetails", {}).get("Attempt", 0)
    if update["Action"] != "START":
        attempt += 1
    details = {"Attempt": attempt, **_answer(update.get("Payload"), update.get("Error"))}
    if update["Action"] == "RETRY":
        delay = update.get("StepOptions", {}).get("NextAttemptDelaySeconds", 0)
        details["NextAttemptTimestamp"] = now + delay * time_scale
    return details


def _waits(options: Mapping[str, Any], now: float) -> Iterator[tuple[str, float]]:
    if seconds := options.get("TimeoutSeconds"):
        yield "deadline", now + seconds
    if seconds := options.get("HeartbeatTimeoutSeconds"):
        yield "heartbeat", seconds
        yield "heartbeat_deadline", now + seconds
