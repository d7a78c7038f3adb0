"""How a gateway calls a function: with a time limit of its own."""

import asyncio
import json
from typing import Any

from lampwork.invocation import Invocation, Invoker

# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
MAX_EVENT = 6 * 1024 * 1024

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
    try:
        async with asyncio.timeout(timeout_seconds):
            return await invoker.invoke(function, payload)
    except TimeoutError as error:
        raise IntegrationTimeout(
            f"{function} did not answer within {timeout_seconds:g} s."
        ) from error
