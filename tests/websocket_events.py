"""WebSocket API events as the gateway sends them, and the @connections API functions call."""

import json
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlencode
from uuid import UUID

CONNECTION_ID = "L0SM9cOFvHcCIhw="


def connect_event(
    query: Mapping[str, object] | Sequence[tuple[str, object]] = (),
    *,
    headers: Mapping[str, str] | None = None,
    source_ip: str = "192.0.2.1",
    connection_id: str = CONNECTION_ID,
) -> dict[str, Any]:
    """A $connect; without a query string the gateway leaves both query maps out."""
    sent = {"Host": "localhost:8000", "X-Forwarded-For": source_ip, **(headers or {})}
    event = {
        **_event("$connect", "CONNECT", connection_id, source_ip),
        "headers": sent,
        "multiValueHeaders": {name: [value] for name, value in sent.items()},
    }
    if query:
        values = parse_qs(urlencode(query), keep_blank_values=True)
        event["queryStringParameters"] = {name: given[-1] for name, given in values.items()}
        event["multiValueQueryStringParameters"] = values
    return event


def message_event(body: str, connection_id: str = CONNECTION_ID) -> dict[str, Any]:
    event = _event("$default", "MESSAGE", connection_id, "192.0.2.1")
    event["requestContext"]["messageId"] = "L0SNAcOFvHcCIhw="
    return {**event, "body": body}


def disconnect_event(connection_id: str = CONNECTION_ID) -> dict[str, Any]:
    event = _event("$disconnect", "DISCONNECT", connection_id, "192.0.2.1")
    event["requestContext"] |= {"disconnectStatusCode": 1001, "disconnectReason": ""}
    headers = {"Host": "localhost", "x-api-key": "", "X-Forwarded-For": "", "x-restapi": ""}
    lists = {name: [value] for name, value in headers.items()}
    return {**event, "headers": headers, "multiValueHeaders": lists}


def sqs_event(bodies: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """An SQS FIFO batch of (group, body); the message ids are m0, m1…"""
    records = [
        {
            "messageId": f"m{number}",
            "receiptHandle": "handle",
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": group},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:deliver.fifo",
            "awsRegion": "us-east-1",
        }
        for number, (group, body) in enumerate(bodies)
    ]
    return {"Records": records}


def deliver_body(task_id: UUID) -> str:
    return _message("deliver", task_id=str(task_id))


def tick_body(**kwargs: str) -> str:
    return _message("tick", **kwargs)


def _message(actor: str, **kwargs: str) -> str:
    return json.dumps(
        {
            "queue_name": actor,
            "actor_name": actor,
            "args": [],
            "kwargs": kwargs,
            "options": {},
            "message_id": "4a0c6f3e-2f0f-4d6e-8c1f-3f4d2b1a0c9e",
            "message_timestamp": 1767225600000,
        }
    )


SCHEDULE_EVENT = {
    "version": "0",
    "id": "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
    "detail-type": "Scheduled Event",
    "source": "aws.events",
    "account": "000000000000",
    "time": "2026-04-21T15:08:00Z",
    "region": "us-east-1",
    "resources": ["arn:aws:events:us-east-1:000000000000:rule/tick"],
    "detail": {},
}


def _event(route: str, kind: str, connection_id: str, source_ip: str) -> dict[str, Any]:
    return {
        "requestContext": {
            "routeKey": route,
            "eventType": kind,
            "extendedRequestId": "LV7fzho-PHcEJPw=",
            "requestTime": "21/Apr/2026:15:08:21 +0000",
            "messageDirection": "IN",
            "stage": "live",
            "connectedAt": 1776784101000,
            "requestTimeEpoch": 1776784101000,
            "identity": {"sourceIp": source_ip, "userAgent": "tests"},
            "requestId": "LV7fzho-PHcEJPw=",
            "domainName": "localhost:8000",
            "connectionId": connection_id,
            "apiId": "abc123defg",
        },
        "isBase64Encoded": False,
    }


class ConnectionsApi(ThreadingHTTPServer):
    """@connections over HTTP: an id that is not open is gone; calls must be signed.

    `answers` are statuses to give before any call is really taken.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Call)
        self.open: set[str] = set()
        self.closed: set[str] = set()
        self.frames: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answers: list[int] = []
        self.hang_up_after_answer = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/live"


class _Call(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ConnectionsApi

    def do_POST(self) -> None:
        self._answer(self._take(lambda id, body: self.server.frames[id].append(json.loads(body))))

    def do_DELETE(self) -> None:
        status = self._take(lambda id, _body: self.server.open.remove(id))
        self._answer(204 if status == 200 else status)

    def _take(self, act: Any) -> int:
        api, path = self.server, self.path
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        api.requests.append((self.command, path, dict(self.headers.items()), body))
        if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 "):
            return 403
        if api.answers:
            return api.answers.pop(0)
        connection_id = unquote(path.removeprefix("/live/@connections/"))
        if connection_id not in api.open:
            return 410
        act(connection_id, body)
        if self.command == "DELETE":
            api.closed.add(connection_id)
        return 200

    def _answer(self, status: int) -> None:
        self.send_response(status)
        if status == 410:
            self.send_header("x-amzn-ErrorType", "GoneException")
        if status != 204:
            self.send_header("Content-Length", "0")
        self.end_headers()
        if self.server.hang_up_after_answer:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving_connections() -> Iterator[ConnectionsApi]:
    api = ConnectionsApi()
    thread = threading.Thread(target=api.serve_forever, args=(0.01,))
    thread.start()
    yield api
    api.shutdown()
    thread.join()
    api.server_close()
