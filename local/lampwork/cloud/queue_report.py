import json
import time
from collections.abc import Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.sqs.models import sqs_backends

from lampwork.http.internal_paths import QUEUES
from lampwork.stack.model import ACCOUNT_ID


class QueueReport:
    """Tells how full moto's queues are, and for how long: SQS itself does not tell the latter."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] != QUEUES:
            return self._app(environ, start)
        report = json.dumps(list(_queues())).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(report)))]
        start("200 OK", headers)
        return [report]


def _queues() -> Iterator[dict[str, Any]]:
    # Copied, since other threads change them.
    for _, backend in list(sqs_backends[ACCOUNT_ID].items()):
        for queue in list(backend.queues.values()):
            yield _state(queue)


def _state(queue: Any) -> dict[str, Any]:
    messages = list(queue._messages)
    sent = [message.sent_timestamp for message in messages]
    oldest_ms = max(0, time.time() * 1000 - min(sent)) if sent else 0
    return {
        "name": queue.name,
        "visible": sum(message.visible and not message.delayed for message in messages),
        "in_flight": sum(not message.visible for message in messages),
        "delayed": sum(message.delayed for message in messages),
        "oldest_age_seconds": oldest_ms / 1000,
    }
