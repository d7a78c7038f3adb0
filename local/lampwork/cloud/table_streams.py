import json
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from moto.dynamodb.models.table import StreamShard
from moto.sqs.models import Message

from lampwork.cloud.backends import backend
from lampwork.cloud.persistence.kept_state import Request
from lampwork.cloud.persistence.tables import READING
from lampwork.events.dynamodb_streams import record_of

# The queue of a stream's reader names the table in a tag.
TABLE: Final = "lampwork:table"
# As long as SQS can hide a message: until it is deleted it is somebody's work.
ATTRIBUTES: Final = {"VisibilityTimeout": "43200", "MessageRetentionPeriod": "86400"}

Change = tuple[Any, dict[str, Any], Any, Any]  # the table, the item's keys, it before and now


class TableStreams:
    """Puts what a request changed in a table with a stream into the queues of the stream's readers.

    So a change that was answered is not lost with a process. Requests that change items come one
    after the other here: a stream has an order.
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._order = threading.Lock()
        self._changes: dict[str, Change] = {}
        self._sequence = 0

    def install(self) -> None:
        kind: Any = StreamShard
        add = kind.add

        def add_and_note(shard: Any, old: Any, new: Any) -> None:
            add(shard, old, new)
            self._note(shard.table, old, new)

        kind.add = add_and_note

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        if request.service != "dynamodb" or request.operation in READING:
            return self._app(environ, start)
        with self._order:
            self._changes.clear()
            status: list[str] = []

            def note_status(code: str, *rest: Any) -> Callable[[bytes], object]:
                status.append(code)
                return start(code, *rest)

            answer = self._app(environ, note_status)
            if status[0].startswith("2"):  # what a transaction did before it failed is undone
                self._send()
            return answer

    def _note(self, table: Any, old: Any, new: Any) -> None:
        """Of several steps of one request, moto's own, the first and the last count."""
        keys = _keys(table, old if new is None else new)
        identity = json.dumps([table.region_name, table.name, keys])
        before = self._changes[identity][2] if identity in self._changes else _attributes(old)
        self._changes[identity] = (table, keys, before, _attributes(new))

    def _send(self) -> None:
        for table, keys, old, new in self._changes.values():
            if old != new:
                self._send_change(table, keys, old, new)

    def _send_change(self, table: Any, keys: Mapping[str, Any], old: Any, new: Any) -> None:
        queues = backend("sqs", table.region_name)
        readers = [
            each.name for each in queues.queues.values() if each.tags.get(TABLE) == table.name
        ]
        if not readers:
            return
        self._sequence = max(self._sequence + 1, time.time_ns())
        view = table.stream_specification["StreamViewType"]
        region = table.region_name
        record = record_of(keys, old, new, view=view, sequence=self._sequence, region=region)
        for name in readers:
            message = Message(str(uuid.uuid4()), json.dumps(record))
            message.mark_sent()
            # By `get_queue`, so that the message is kept; SQS's own limit is not for these.
            queues.get_queue(name).add_message(message)


def create_reader(clients: Callable[[str], Any], resource: Mapping[str, Any]) -> dict[str, Any]:
    """The queue of a mapping that reads a stream."""
    tags = {TABLE: resource["properties"]["Table"]}
    clients("sqs").create_queue(QueueName=resource["name"], Attributes=ATTRIBUTES, tags=tags)
    return {"queue": resource["name"]}


def remove_reader(clients: Callable[[str], Any], made: Mapping[str, Any]) -> None:
    sqs = clients("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=made["queue"])["QueueUrl"])


def _keys(table: Any, item: Any) -> dict[str, Any]:
    keys = {table.hash_key_attr: item.hash_key.to_json()}
    if table.range_key_attr is not None:
        keys[table.range_key_attr] = item.range_key.to_json()
    return keys


def _attributes(item: Any) -> Any:
    """As they are now: moto goes on to change the same object."""
    return None if item is None else json.loads(json.dumps(item.to_json()["Attributes"]))
