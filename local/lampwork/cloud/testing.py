import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.moto_seam.sqs import Message, find_queue, messages
from lampwork.http.internal_paths import TESTING

Asked = Mapping[str, Any]


class TestPaths:
    """What tests ask of the embedded AWS that AWS itself would not answer, in JSON."""

    __test__ = False  # no test of pytest's

    def __init__(self, app: WSGIApplication, region: str) -> None:
        self._app = app
        self._region = region
        self._paths: Mapping[str, Callable[[Asked], object]] = {"messages": self._messages}

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        answer = self._paths.get(environ["PATH_INFO"].removeprefix(TESTING))
        if answer is None:
            return self._app(environ, start)
        asked = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        body = json.dumps(answer(asked)).encode()
        start("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _messages(self, asked: Asked) -> object:
        queue = find_queue(self._region, asked["queue"])
        return [_seen(each) for each in messages(queue)] if queue else []


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
