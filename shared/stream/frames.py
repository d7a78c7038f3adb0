import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from shared.clock import iso
from shared.strict_json import exact

# An API Gateway WebSocket closes with 1009 over this, whoever sent the frame.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
MAX_FRAME_BYTES = 32 * 1024
BULKY = ("parameters", "prompt", "error", "result")

Payload = Mapping[str, Any]  # what task_events holds: see task_payload


def snapshot(payload: Payload, *, resumed: bool | None = None) -> str:
    """The first frame of a connection: the task's whole state.

    `resumed` answers a client that asked for what came after a sequence: True when the frames
    that follow are all it missed, False when it must begin anew from this state.
    """
    extra = {} if resumed is None else {"resumed": resumed}
    return _state("snapshot", payload, extra)


def update(payload: Payload) -> str:
    return _state("update", payload, {})


def heartbeat(task_id: UUID, sequence: int) -> str:
    """Shows that the socket works; `sequence` is the last one sent, so that a client notices a lost
    frame."""
    return _text(
        {"type": "heartbeat", "task_id": str(task_id), "sequence": sequence, "sent_at": _now()}
    )


def error(code: str, message: str) -> str:
    return _text({"type": "error", "code": code, "message": message, "sent_at": _now()})


def _state(kind: str, payload: Payload, extra: Payload) -> str:
    exactly = {"parameters": exact(payload["parameters"])}
    frame = {"type": kind, **payload, **exactly, **extra, "sent_at": _now()}
    text = _text(frame)
    for number, name in enumerate(BULKY, start=1):
        if len(text.encode()) < MAX_FRAME_BYTES:
            break
        # A status must be sent even if its task is too large for a frame; the task's URL has all of
        # it.
        frame |= {name: None, "left_out": BULKY[:number]}
        text = _text(frame)
    return text


def _text(frame: Payload) -> str:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


def _now() -> str:
    return iso(datetime.now(UTC))
