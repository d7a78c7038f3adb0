"""What is kept of an invocation, and of a message to a socket."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lampwork.errors import LampworkError
from lampwork.invocation.cause import Cause
from lampwork.invocation.port import Invocation
from lampwork.json_text import parsed
from lampwork.stack.model import Function
from lampwork.timestamps import iso_milliseconds

ROOT: Final = re.compile(r"Root=([^;]+)")
PARENT: Final = re.compile(r"Parent=([^;]+)")

OK: Final = "ok"
FAILED: Final = "failed"
TIMEOUT: Final = "timeout"
THROTTLED: Final = "throttled"
PARTIAL: Final = "partial"
STATUSES: Final = (OK, FAILED, TIMEOUT, THROTTLED, PARTIAL)


@dataclass(slots=True)
class Ended:
    """An invocation as it is noted while a client waits: nothing of it has been looked at.

    `waited_from` and `ended` are of the event loop's clock, `now` is when it ended in seconds since
    1970. `caused_by` and `trace` are the trace headers of the request that caused it and of its
    own. Where there is no `invocation`, `refusal` says why.
    """

    number: int
    function: Function
    payload: bytes
    waited_from: float
    ended: float
    now: float
    caused_by: str | None
    trace: str
    cause: Cause | None
    invocation: Invocation | None
    refusal: LampworkError | None = None
    streamed: int | None = None


@dataclass(slots=True)
class Sent:
    """A request to @connections: a message to a socket, or its end."""

    number: int
    method: str
    api: str
    connection_id: str
    content: bytes
    status: int
    now: float
    caused_by: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept. Its `kind` is "invocation", or "message" for one that went to a socket.

    `started` is in seconds since 1970. In its `trace` it is the `span` that the span `parent`
    caused; `links` has its parents in further traces, as a batch of messages may have several.
    `event`, `answer` and `log` are texts without secrets, None where they were too large; `masked`
    has the paths of secrets in the event. `stack` is the traceback of an error.
    """

    id: int
    function: str
    status: str
    started: float
    kind: str = "invocation"
    target: str = ""
    request_id: str = ""
    trigger: str = ""
    source: str = ""
    http_status: int | None = None
    duration_ms: float = 0
    wait_ms: float = 0
    init_ms: float | None = None
    memory_mb: int | None = None
    error: str | None = None
    trace: str = ""
    span: str = ""
    parent: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    replay_of: int | None = None
    event: str | None = None
    answer: str | None = None
    log: str | None = None
    stack: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    event_bytes: int = 0
    answer_bytes: int = 0

    def summary(self) -> dict[str, Any]:
        """As JSON, without its event, answer and log."""
        return {
            "id": self.id,
            "kind": self.kind,
            "function": self.function,
            "request_id": self.request_id,
            "trigger": {"kind": self.trigger, "name": self.source},
            "status": self.status,
            "http_status": self.http_status,
            "started": iso_milliseconds(self.started),
            "duration_ms": round(self.duration_ms, 2),
            "wait_ms": round(self.wait_ms, 2),
            "cold": self.init_ms is not None,
            "init_ms": None if self.init_ms is None else round(self.init_ms, 2),
            "memory_mb": self.memory_mb,
            "error": self.error,
            "trace": self.trace,
            "span": self.span,
            "parent": self.parent,
            "replay_of": self.replay_of,
            "event_bytes": self.event_bytes,
            "answer_bytes": self.answer_bytes,
        }

    def whole(self) -> dict[str, Any]:
        """As JSON, with its event, answer and log."""
        return {
            **self.summary(),
            "event": None if self.event is None else parsed(self.event),
            "answer": None if self.answer is None else parsed(self.answer),
            "log": self.log or "",
            "stack": list(self.stack),
            "masked": list(self.masked),
        }


def root_of(header: str) -> str:
    """The trace that a trace header names; "" for none."""
    found = ROOT.search(header)
    return found[1] if found else ""


def parent_of(header: str) -> str:
    found = PARENT.search(header)
    return found[1] if found else ""
