from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Invocation:
    """An invocation that has ended.

    `status` is "ok", "error" where the function failed, "throttled", or "refused" where it could
    not be invoked for another reason; `error_type` and `error_message` say why. `started` is in
    seconds since 1970. `cold` is whether its process began with it. `trace_header` is the
    X-Amzn-Trace-Id of the request that caused it.
    """

    function: str
    request_id: str
    status: str
    event: Any
    answer: Any
    error_type: str | None
    error_message: str | None
    started: float
    duration_ms: float
    cold: bool
    trace_header: str | None
    log: str
