import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, TypedDict
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.moto_seam.sqs import (
    Message,
    Queue,
    all_queues,
    find_queue,
    messages,
    sent_at,
)
from lampwork.http.internal_paths import QUEUES


class QueueState(TypedDict):
    name: str
    visible: int
    in_flight: int
    delayed: int
    oldest_age_seconds: float


class QueueReport:
    """Reports how many messages moto's queues hold and the age of the oldest in seconds.

    SQS's own API does not report that age. With `?peek=QUEUE&region=…&first=…&most=…` it reports
    these messages of one queue, as {"total": …, "messages": […]}, or null if there is no such
    queue. Unlike a receipt, that changes nothing: SQS has no such operation.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != QUEUES:
            return self._app(environ, start)
        asked = {name: each[0] for name, each in parse_qs(environ["QUERY_STRING"]).items()}
        found = _peeked(asked) if "peek" in asked else [_state(queue) for queue in all_queues()]
        report = json.dumps(found).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(report)))]
        start("200 OK", headers)
        return [report]


def _state(queue: Queue) -> QueueState:
    present = messages(queue)
    sent = [sent_at(message) for message in present]
    oldest_ms = max(0, time.time() * 1000 - min(sent)) if sent else 0
    return {
        "name": queue.name,
        "visible": sum(message.visible and not message.delayed for message in present),
        "in_flight": sum(not message.visible for message in present),
        "delayed": sum(message.delayed for message in present),
        "oldest_age_seconds": oldest_ms / 1000,
    }


def _peeked(asked: Mapping[str, str]) -> dict[str, Any] | None:
    queue = find_queue(asked["region"], asked["peek"])
    if queue is None:
        return None
    present, first = messages(queue), int(asked["first"])
    shown = present[first : first + int(asked["most"])]
    return {"total": len(present), "messages": [_message(each) for each in shown]}


def _message(message: Message) -> dict[str, Any]:
    waiting = "waiting" if message.visible else "in flight"
    return {
        "id": message.id,
        "body": message.body,
        "state": "delayed" if message.delayed else waiting,
        "sent_ms": sent_at(message),
        "received": message.approximate_receive_count,
        "attributes": {
            name: _text(each.get("StringValue", each.get("BinaryValue")))
            for name, each in message.message_attributes.items()
        },
    }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)
