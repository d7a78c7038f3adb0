"""What crosses the border between whoever triggers a function and whatever runs it."""

import json
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Invocation:
    """The end of one request to a function, as Lambda's Invoke API reports it.

    `payload` is the function's JSON answer or, when `function_error` is set (always "Unhandled"),
    the JSON error with `errorType` and `errorMessage`. `log` is the request's own log, newest last.
    """

    request_id: str
    payload: bytes
    function_error: str | None
    log: bytes
    duration_ms: float
    init_ms: float | None = None

    @property
    def failure(self) -> str | None:
        """The function's error in one line, None where it answered."""
        if self.function_error is None:
            return None
        error = json.loads(self.payload)
        return f"{error.get('errorType')}: {error.get('errorMessage')}"


class Invoker(Protocol):
    """Runs functions by logical id, name or ARN."""

    async def invoke(
        self,
        function: str,
        payload: bytes,
        *,
        client_context: str | None = None,
        request_id: str | None = None,
    ) -> Invocation:
        """Run one request to its end, which it reaches also where the caller is cancelled.

        A try again has the `request_id` of the first.

        Raises:
            FunctionNotFound: no such function.
            Throttled: its reserved concurrency is used up.
            TooManyEnvironments: this machine's cap of processes is reached.
        """
        ...
