import json
import time
from collections.abc import Iterable
from typing import TypedDict
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.moto_seam.sqs import Queue, all_queues, messages, sent_at
from lampwork.http.internal_paths import QUEUES


class QueueState(TypedDict):
    name: str
    visible: int
    in_flight: int
    delayed: int
    oldest_age_seconds: float


class QueueReport:
    """Reports how many messages moto's queues hold and the age of the oldest in seconds.

    SQS's own API does not report that age.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != QUEUES:
            return self._app(environ, start)
        report = json.dumps([_state(queue) for queue in all_queues()]).encode()
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
