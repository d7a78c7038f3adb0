"""Turns what was noted of an invocation into what is kept of it."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

from lampwork.errors import RecursiveInvocation, Throttled, TooManyEnvironments
from lampwork.history.entries import (
    FAILED,
    OK,
    PARTIAL,
    THROTTLED,
    TIMEOUT,
    Ended,
    Entry,
    Sent,
    parent_of,
    root_of,
)
from lampwork.history.masking import masked, masked_text
from lampwork.history.triggers import Trigger, trigger_of
from lampwork.json_text import parsed
from lampwork.logs.json_records import as_text
from lampwork.stack.function_names import tenant_name
from lampwork.stack.model import LATEST, Function

HTTP_STATUS: Final = re.compile(r"[1-9][0-9]{2}", re.ASCII)
LONGEST: Final = 1024 * 1024
LONGEST_LOG: Final = 256 * 1024
LONGEST_ERROR: Final = 1000
MOST_FRAMES: Final = 100
MOST_LINKS: Final = 20

Hide = Callable[[Any], tuple[Any, list[str]]]


def entry_of(noted: Ended | Sent, *, masks: bool) -> Entry:
    """What is kept of it: without its secrets, if it `masks` them."""
    hide: Hide = masked if masks else lambda value: (value, [])
    hide_text = masked_text if masks else str
    if isinstance(noted, Sent):
        return _message(noted, hide)
    event = _json(noted.payload)
    trigger = _trigger(noted, event)
    text, paths = _kept(event, noted.payload, hide)
    entry = _Fields(noted, hide, hide_text)
    root = root_of(noted.trace) or root_of(noted.caused_by or "")
    parent = parent_of(noted.caused_by or "") or None
    return Entry(
        id=noted.number,
        function=noted.function.logical_id,
        target=_target(noted.function),
        trigger=trigger.kind,
        source=_storable(hide_text(trigger.name)),
        started=noted.now - entry.duration_ms / 1000,
        duration_ms=entry.duration_ms,
        wait_ms=max(0.0, (noted.ended - noted.waited_from) * 1000 - entry.duration_ms),
        trace=root,
        span=parent_of(noted.trace) if noted.trace else f"{noted.number:016x}",
        parent=parent,
        links={key: value for key, value in _links(event) if key != root},
        replay_of=noted.cause.replay_of if noted.cause else None,
        event=text,
        masked=tuple(paths),
        event_bytes=len(noted.payload),
        **entry.of_answer(),
    )


class _Fields:
    """What an invocation's answer and log say of it."""

    def __init__(self, noted: Ended, hide: Hide, hide_text: Callable[[str], str]) -> None:
        self._noted = noted
        self._hide = hide
        self._hide_text = hide_text

    @property
    def duration_ms(self) -> float:
        return self._noted.invocation.duration_ms if self._noted.invocation else 0.0

    def of_answer(self) -> dict[str, Any]:
        invocation = self._noted.invocation
        if invocation is None:
            refusal = self._noted.refusal
            throttled = isinstance(refusal, Throttled | TooManyEnvironments | RecursiveInvocation)
            return {"status": THROTTLED if throttled else FAILED, "error": str(refusal)}
        answer = _json(invocation.payload)
        text, _ = _kept(answer, invocation.payload, self._hide)
        log = _readable(invocation.log[-LONGEST_LOG:].decode(errors="replace"))
        about: dict[str, Any] = {
            "request_id": invocation.request_id,
            "init_ms": invocation.init_ms,
            "memory_mb": invocation.memory_mb,
            "answer": text if self._noted.streamed is None else None,
            "answer_bytes": len(invocation.payload) + (self._noted.streamed or 0),
            "log": self._hide_text(log),
        }
        if invocation.function_error is not None:
            return {**about, **self._of_error(answer)}
        http_status = _http_status(answer)
        failed = http_status is not None and http_status >= 500
        partial = isinstance(answer, dict) and bool(answer.get("batchItemFailures"))
        status = FAILED if failed else PARTIAL if partial else OK
        return {**about, "status": status, "http_status": http_status}

    def _of_error(self, answer: Any) -> dict[str, Any]:
        error = answer if isinstance(answer, dict) else {}
        kind, message = error.get("errorType"), error.get("errorMessage")
        frames = error.get("stackTrace") or ()
        shown = frames[:MOST_FRAMES] if isinstance(frames, list) else ()
        return {
            "status": TIMEOUT if kind == "Sandbox.Timedout" else FAILED,
            "error": _storable(self._hide_text(f"{kind}: {message}"))[:LONGEST_ERROR],
            "stack": tuple(self._hide_text(str(each)).rstrip("\n") for each in shown),
        }


def _readable(log: str) -> str:
    """A log as text: each record as people read it, each line of a traceback on its own."""
    return "\n".join(as_text(line).replace("\r", "\n") for line in log.split("\n"))


def _message(sent: Sent, hide: Hide) -> Entry:
    content = sent.content.decode(errors="replace")
    hidden, paths = hide(content)
    text = json.dumps(hidden, ensure_ascii=False)
    header = sent.caused_by or ""
    return Entry(
        id=sent.number,
        kind="message",
        function="",
        status=OK if sent.status < 400 else FAILED,
        started=sent.now,
        trigger="connections",
        source=f"{sent.method} {sent.api}/{sent.connection_id}",
        http_status=sent.status,
        trace=root_of(header),
        span=f"{sent.number:016x}",
        parent=parent_of(header) or None,
        event=text if len(text) <= LONGEST else None,
        masked=tuple(paths),
        event_bytes=len(sent.content),
    )


def _trigger(noted: Ended, event: Any) -> Trigger:
    if noted.cause is not None and noted.cause.kind:
        return Trigger(noted.cause.kind, noted.cause.name)
    return trigger_of(event)


def _target(function: Function) -> str:
    """The name by which the same environments are asked once more."""
    name = function.logical_id
    if function.qualifiers:
        name = f"{name}:{function.qualifier or LATEST}"
    return tenant_name(name, function.tenant) if function.tenant else name


def _json(payload: bytes) -> Any:
    """A payload as JSON; a text that is none, such as a streamed answer, stays a text."""
    try:
        return parsed(payload)
    except ValueError:
        return payload.decode(errors="replace")


def _kept(value: Any, payload: bytes, hide: Hide) -> tuple[str | None, list[str]]:
    """A value's JSON without secrets, and their paths; None if it is too large to be kept."""
    if len(payload) > LONGEST:
        return None, []
    hidden, paths = hide(value)
    try:
        text = json.dumps(hidden, ensure_ascii=False)
        if text != _storable(text):  # JSON may also write half of a surrogate pair
            text = json.dumps(hidden)
    except RecursionError:
        return None, paths
    return text, paths


def _storable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _http_status(answer: Any) -> int | None:
    status = answer.get("statusCode") if isinstance(answer, dict) else None
    if isinstance(status, str) and HTTP_STATUS.fullmatch(status):
        return int(status)
    return status if isinstance(status, int) and 100 <= status <= 999 else None


def _links(event: Any) -> Iterator[tuple[str, str]]:
    """The traces of the messages in a batch, each with the span that sent the message."""
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list):
        return
    for record in records[:MOST_LINKS]:
        attributes = record.get("attributes") if isinstance(record, dict) else None
        header = attributes.get("AWSTraceHeader") if isinstance(attributes, dict) else None
        if isinstance(header, str) and root_of(header):
            yield root_of(header), parent_of(header)
