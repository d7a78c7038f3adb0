"""How a gateway calls a function: with a time limit of its own."""

import asyncio
import json
from typing import Any, Final, cast

from lampwork.invocation.limits import MAX_EVENT
from lampwork.invocation.port import Invocation, Invoker

LATE: Final = "the integration's time is over"

encode = json.JSONEncoder(ensure_ascii=False).encode


class IntegrationTimeout(Exception):
    """The function took longer than its gateway waits."""


class EventTooLarge(Exception):
    """Lambda takes no such event; a body in base64 counts by its longer form."""


async def call(
    invoker: Invoker, function: str, event: dict[str, Any], timeout_seconds: float
) -> Invocation:
    """Invoke and wait. A function that takes longer runs on, as on AWS; only its answer is lost.

    Raises:
        EventTooLarge: it is over `MAX_EVENT` bytes.
        IntegrationTimeout: no answer in time.
        FunctionNotFound, Throttled, TooManyEnvironments: as `Invoker.invoke`.
    """
    payload = encode(event).encode("utf-8", "surrogatepass")
    if len(payload) > MAX_EVENT:
        raise EventTooLarge(f"The event has {len(payload)} bytes; Lambda takes {MAX_EVENT}.")
    caller = cast("asyncio.Task[Invocation]", asyncio.current_task())
    # As `asyncio.timeout` does, for a third of its price: every request pays it.
    limit = asyncio.get_running_loop().call_later(timeout_seconds, caller.cancel, LATE)
    try:
        return await invoker.invoke(function, payload)
    except asyncio.CancelledError as cancelled:
        if cancelled.args != (LATE,):
            raise
        caller.uncancel()
        raise IntegrationTimeout(
            f"{function} did not answer within {timeout_seconds:g} s."
        ) from cancelled
    finally:
        limit.cancel()
