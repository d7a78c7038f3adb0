"""Invokes a function for a gateway, within the gateway's own time limit."""

import asyncio
import json
from typing import Any, Final, cast

from lampwork.invocation.limits import MAX_EVENT
from lampwork.invocation.port import Invocation, Invoker

LATE: Final = "the integration's time is over"

encode = json.JSONEncoder(ensure_ascii=False).encode


class IntegrationTimeout(Exception):
    """The function took longer than the gateway waits."""


class EventTooLarge(Exception):
    """The event is larger than Lambda allows. A body in base64 counts with its encoded length."""


async def call(
    invoker: Invoker,
    function: str,
    event: dict[str, Any],
    timeout_seconds: float,
    *,
    request_id: str | None = None,
) -> Invocation:
    """Invoke and wait. A function that takes longer runs on, as on AWS; only its answer is lost.

    The time begins anew once a request that had to wait for an environment gets one, which on AWS
    it has at once. `request_id` becomes the invocation's.

    Raises:
        EventTooLarge: the event has more than `MAX_EVENT` bytes.
        IntegrationTimeout: the function did not answer in time.
        FunctionNotFound, Throttled, TooManyEnvironments: as in `Invoker.invoke`.
    """
    payload = payload_of(event)
    caller = cast("asyncio.Task[Invocation]", asyncio.current_task())
    # The same as `asyncio.timeout`, at a third of its cost, which every request pays.
    loop = asyncio.get_running_loop()
    limit = loop.call_later(timeout_seconds, caller.cancel, LATE)

    def begin() -> None:
        nonlocal limit
        limit.cancel()
        limit = loop.call_later(timeout_seconds, caller.cancel, LATE)

    try:
        return await invoker.invoke(function, payload, request_id=request_id, on_begin=begin)
    except asyncio.CancelledError as cancelled:
        if cancelled.args != (LATE,):
            raise
        caller.uncancel()
        raise IntegrationTimeout(
            f"{function} did not answer within {timeout_seconds:g} s."
        ) from cancelled
    finally:
        limit.cancel()


def payload_of(event: dict[str, Any]) -> bytes:
    """An event as JSON.

    Raises:
        EventTooLarge: it has more than `MAX_EVENT` bytes.
    """
    payload = encode(event).encode("utf-8", "surrogatepass")
    if len(payload) > MAX_EVENT:
        raise EventTooLarge(f"The event has {len(payload)} bytes; Lambda takes {MAX_EVENT}.")
    return payload
