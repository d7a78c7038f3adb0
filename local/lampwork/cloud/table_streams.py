import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Clients
from lampwork.cloud.moto_seam import sqs
from lampwork.cloud.moto_seam.dynamodb import (
    Item,
    Table,
    attributes,
    keys,
    note_changes,
    stream_view,
)
from lampwork.cloud.persistence.kept_state import Request
from lampwork.cloud.persistence.tables import READING
from lampwork.events.dynamodb_streams import record_of
from lampwork.stack.model import CloudResource

# The queue of a stream's reader names the table in a tag.
TABLE: Final = "lampwork:table"
# As long as SQS can hide a message: until it is deleted it is somebody's work.
QUEUE_ATTRIBUTES: Final = {"VisibilityTimeout": "43200", "MessageRetentionPeriod": "86400"}

Attributes = Mapping[str, Any]
"""In DynamoDB's JSON."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an item, by its keys; None where there was or is none."""

    table: Table
    keys: Attributes
    old: Attributes | None
    new: Attributes | None


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
        note_changes(self._note)

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

    def _note(self, table: Table, old: Item | None, new: Item | None) -> None:
        """Of several steps of one request, moto's own, the first and the last count."""
        item = old if new is None else new
        if item is None:
            return
        its_keys = keys(table, item)
        identity = json.dumps([table.region_name, table.name, its_keys])
        first = self._changes.get(identity)
        before = attributes(old) if first is None else first.old
        self._changes[identity] = Change(table, its_keys, before, attributes(new))

    def _send(self) -> None:
        for change in self._changes.values():
            if change.old != change.new:
                self._send_change(change)

    def _send_change(self, change: Change) -> None:
        table = change.table
        region = table.region_name
        readers = [each.name for each in sqs.queues(region) if each.tags.get(TABLE) == table.name]
        if not readers:
            return
        self._sequence = max(self._sequence + 1, time.time_ns())
        record = record_of(
            change.keys,
            change.old,
            change.new,
            view=stream_view(table),
            sequence=self._sequence,
            region=region,
        )
        for name in readers:
            sqs.send(region, name, json.dumps(record))


def create_reader(clients: Clients, resource: CloudResource) -> Made:
    """The queue of a mapping that reads a stream."""
    tags = {TABLE: resource.properties["Table"]}
    clients("sqs").create_queue(QueueName=resource.name, Attributes=QUEUE_ATTRIBUTES, tags=tags)
    return {"queue": resource.name}


def remove_reader(clients: Clients, made: Made) -> None:
    sqs = clients("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=made["queue"])["QueueUrl"])
