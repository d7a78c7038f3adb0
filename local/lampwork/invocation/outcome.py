from dataclasses import dataclass

from lampwork.errors import LampworkError
from lampwork.invocation.port import Invoker


@dataclass(frozen=True, slots=True)
class Outcome:
    """A function's answer or, in one line, why there is none."""

    answer: bytes
    failure: str | None


async def run(invoker: Invoker, function: str, payload: bytes) -> Outcome:
    """Run a function for a trigger, which has nobody to raise an error to."""
    try:
        invocation = await invoker.invoke(function, payload)
    except LampworkError as error:
        return Outcome(b"", str(error))
    if invocation.function_error is None:
        return Outcome(invocation.payload, None)
    return Outcome(b"", invocation.failure)
