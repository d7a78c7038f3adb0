"""What has happened in a durable execution, as GetDurableExecutionHistory tells it.

The names and details are those of Lambda's API model; the order is that of the histories which
AWS's JavaScript SDK for durable functions compares with Lambda.
https://docs.aws.amazon.com/lambda/latest/api/API_Event.html
"""

from collections.abc import Mapping
from typing import Any, Final

Event = dict[str, Any]
"""An event; times are seconds since 1970."""

TYPES: Final = {
    "EXECUTION": "Execution",
    "CONTEXT": "Context",
    "STEP": "Step",
    "WAIT": "Wait",
    "CALLBACK": "Callback",
    "CHAINED_INVOKE": "ChainedInvoke",
}
ENDINGS: Final = {
    "STARTED": "Started",
    "SUCCEEDED": "Succeeded",
    "FAILED": "Failed",
    "PENDING": "Failed",  # a step that is tried again has failed
    "TIMED_OUT": "TimedOut",
    "STOPPED": "Stopped",
    "CANCELLED": "Cancelled",
}
DATA: Final = ("Input", "Result", "Error")


def record(
    events: list[Event],
    kind: str,
    status: str,
    now: float,
    details: Mapping[str, Any],
    **about: str | None,
) -> None:
    """Add that the operation of a `kind` now has this status.

    `details` are those of the event; `about` is what names it: Id, Name, SubType, ParentId.
    """
    name = f"{TYPES[kind]}{ENDINGS[status]}"
    _add(events, name, now, {**about, f"{name}Details": details})


def record_invocation(
    events: list[Event],
    *,
    started: float,
    ended: float,
    request_id: str,
    error: Mapping[str, Any] | None,
) -> None:
    details = {
        "StartTimestamp": started,
        "EndTimestamp": ended,
        "RequestId": request_id,
        "Error": payload(error),
    }
    _add(events, "InvocationCompleted", ended, {"InvocationCompletedDetails": details})


def payload(value: Any) -> dict[str, Any]:
    """An input, a result or an error, as events hold it."""
    return {} if value is None else {"Payload": value}


def without_data(event: Event) -> Event:
    """The event without what the execution was given, has made, or has failed with."""
    return {
        name: (
            {each: {} if each in DATA else value for each, value in details.items()}
            if name.endswith("Details")
            else details
        )
        for name, details in event.items()
    }


def _add(events: list[Event], name: str, now: float, more: Mapping[str, Any]) -> None:
    known = {each: value for each, value in more.items() if value is not None}
    events.append({"EventType": name, "EventId": len(events) + 1, "EventTimestamp": now, **known})
