"""What tests ask of the embedded AWS that AWS itself would not answer."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.moto_seam import dynamodb, sqs
from lampwork.cloud.moto_seam.clock import QueueClock
from lampwork.cloud.moto_seam.sqs import Message
from lampwork.cloud.persistence.kept_state import Request
from lampwork.cloud.testing.baseline import Baseline
from lampwork.http.internal_paths import TESTING

Asked = Any


class TestPaths:
    """POST /_lampwork/testing/… with JSON.

    `baseline` notes what there is, and `reset` brings it back. `messages` lists a queue's messages,
    `waiting` says how those of several queues stand, and how many state machines run. `advance`
    moves the time of queues, and of items with a time to live; `due` is in how many seconds the
    next message is.
    """

    __test__ = False  # no test of pytest's

    def __init__(self, app: WSGIApplication, region: str, executions: Callable[[], int]) -> None:
        self._app = app
        self._region = region
        self._executions = executions
        self._baseline = Baseline()
        self._baseline.take()
        self._clock = QueueClock()
        self._paths: Mapping[str, Callable[[Asked], object]] = {
            "advance": self._advance,
            "due": self._due,
            "baseline": self._take_baseline,
            "reset": self._reset,
            "messages": self._messages,
            "waiting": self._waiting,
        }

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        answer = self._paths.get(environ["PATH_INFO"].removeprefix(TESTING))
        if answer is None:
            self._baseline.touched(Request(environ).service)
            return self._app(environ, start)
        asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        body = json.dumps(answer(asked)).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _take_baseline(self, asked: Asked) -> object:
        self._baseline.take()
        return {}

    def _reset(self, asked: Asked) -> object:
        self._clock.ahead = 0.0
        self._baseline.bring_back()
        return {}

    def _advance(self, asked: Asked) -> object:
        self._clock.ahead += asked["seconds"]
        for queue in sqs.all_queues():
            sqs.look_again(queue)
        for table in dynamodb.all_tables().values():
            dynamodb.expire_items(table, self._clock.now())
        return {}

    def _due(self, asked: Asked) -> object:
        """In how many seconds the first of the messages that wait can be received."""
        messages = (each for queue in sqs.all_queues() for each in sqs.messages(queue))
        dues = (sqs.due_in(each, self._clock.now()) for each in messages)
        return min((each for each in dues if each > 0), default=None)

    def _messages(self, asked: Asked) -> object:
        queue = sqs.find_queue(self._region, asked["queue"])
        return [_seen(each) for each in sqs.messages(queue)] if queue else []

    def _waiting(self, asked: Asked) -> object:
        found = ((name, sqs.find_queue(self._region, name)) for name in asked)
        queues = {
            name: [_standing(each) for each in sqs.messages(queue)]
            for name, queue in found
            if queue is not None
        }
        return {"queues": queues, "executions": self._executions()}


def _seen(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "body": message.body,
        "receive_count": message.approximate_receive_count,
        "hidden": not message.visible or message.delayed,
        "group": message.group_id,
        "attributes": {
            name: each.get("StringValue") for name, each in message.message_attributes.items()
        },
    }


def _standing(message: Message) -> dict[str, object]:
    return {
        "id": message.id,
        "receive_count": message.approximate_receive_count,
        "hidden": not message.visible,
        "delayed": message.delayed,
        "group": message.group_id,
    }
