import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Clients
from lampwork.cloud.moto_seam import dynamodb, kinesis, sqs
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
from lampwork.events.dynamodb_streams import kinesis_record_of, record_of
from lampwork.stack.model import CloudResource

# The tag of a stream reader's queue that holds the name of the table.
TABLE: Final = "lampwork:table"
# The longest visibility timeout that SQS allows: a message stays hidden while somebody works on it,
# and the reader deletes it afterwards. Both values are in seconds.
QUEUE_ATTRIBUTES: Final = {"VisibilityTimeout": "43200", "MessageRetentionPeriod": "86400"}

Attributes = Mapping[str, Any]
"""An item's attributes in DynamoDB's JSON, such as {"id": {"S": "1"}}."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one item. `old` is None if there was no item, `new` if there is none now."""

    table: Table
    keys: Attributes
    old: Attributes | None
    new: Attributes | None


class TableStreams:
    """Sends the changes in tables with a stream to the queues of the stream's readers, and those in
    tables with a destination to its stream of Kinesis.

    The changes are in the queues before the request is answered, so they survive the end of a
    process. Requests that change items run one after another, because a stream has an order.
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
            if status[0].startswith("2"):  # moto undoes the changes of a failed transaction
                self._send()
            return answer

    def _note(self, table: Table, old: Item | None, new: Item | None) -> None:
        """Remember a change until its request ends.

        moto may change an item in several steps for one request. The stream gets one record, from
        the item before the first step to the item after the last one.
        """
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
        if destination := dynamodb.destination(table):
            _send_to_kinesis(change, destination)
        if not dynamodb.has_stream(table):
            return
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


def _send_to_kinesis(change: Change, destination: dynamodb.Destination) -> None:
    table = change.table
    record = kinesis_record_of(
        change.keys,
        change.old,
        change.new,
        table=table.name,
        precision=destination.precision,
        region=table.region_name,
    )
    # The changes of one item stay in their order, since they go to one shard.
    partition_key = hashlib.md5(json.dumps(change.keys).encode(), usedforsecurity=False)
    kinesis.put(
        table.region_name,
        destination.stream,
        partition_key.hexdigest().upper(),
        json.dumps(record, ensure_ascii=False).encode(),
    )


def create_reader(clients: Clients, resource: CloudResource) -> Made:
    """Create the queue of an event source mapping that reads a table's stream."""
    tags = {TABLE: resource.properties["Table"]}
    clients("sqs").create_queue(QueueName=resource.name, Attributes=QUEUE_ATTRIBUTES, tags=tags)
    return {"queue": resource.name}


def remove_reader(clients: Clients, made: Made) -> None:
    sqs = clients("sqs")
    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=made["queue"])["QueueUrl"])
