from dataclasses import dataclass

from lampwork.errors import LampworkError
from lampwork.invocation.port import Invoker


@dataclass(frozen=True, slots=True)
class Outcome:
    """A function's answer, or the reason in one line why there is none."""

    answer: bytes
    failure: str | None


async def run(
    invoker: Invoker, function: str, payload: bytes, *, trace_header: str | None = None
) -> Outcome:
    """Invoke a function for a trigger. A failure is returned, not raised: a trigger has no caller
    to report it to."""
    try:
        invocation = await invoker.invoke(function, payload, trace_header=trace_header)
    except LampworkError as error:
        return Outcome(b"", str(error))
    if invocation.function_error is None:
        return Outcome(invocation.payload, None)
    return Outcome(b"", invocation.failure)
