"""The interface between the callers of functions, such as gateways, and what runs functions."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from lampwork.invocation.answer_stream import AnswerStream


@dataclass(frozen=True, slots=True)
class Invocation:
    """A finished invocation, as Lambda's Invoke API reports it.

    `payload` is the function's JSON answer; if `function_error` is set (always to "Unhandled"), it
    is the JSON error with `errorType` and `errorMessage`. `log` is the log of this invocation only,
    newest line last. `memory_mb` is the most that its process held. `durable_execution` is the ARN
    of the execution in which a durable function ran.
    """

    request_id: str
    payload: bytes
    function_error: str | None
    log: bytes
    duration_ms: float
    init_ms: float | None = None
    durable_execution: str | None = None
    memory_mb: int | None = None

    @property
    def failure(self) -> str | None:
        """The function's error in one line, None where it answered."""
        if self.function_error is None:
            return None
        error = json.loads(self.payload)
        return f"{error.get('errorType')}: {error.get('errorMessage')}"

    @property
    def error_message(self) -> str | None:
        """The message of the function's error, without its type; None where it answered."""
        if self.function_error is None:
            return None
        return str(json.loads(self.payload).get("errorMessage"))


class Invoker(Protocol):
    """Runs functions by logical id, name or ARN."""

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        client_context: str | None = None,
        request_id: str | None = None,
        trace_header: str | None = None,
        stream: AnswerStream | None = None,
        on_begin: Callable[[], None] | None = None,
    ) -> Invocation:
        """Run one invocation to its end, even if the caller is cancelled.

        A retry passes the `request_id` of the first try. `trace_header` is the X-Amzn-Trace-Id of
        the request that causes the invocation. The pieces of a streamed answer go to `stream` as
        they come, and the invocation's payload is then empty; without one, it is the whole answer.
        `on_begin` is called when a request that had to wait for an environment gets one.

        Raises:
            FunctionNotFound: there is no such function.
            RecursiveInvocation: the function was invoked too often in this chain of requests.
            Throttled: the function's reserved concurrency is used up.
            TooManyEnvironments: the cap on function processes is reached.
        """
        ...
