"""moto's Kinesis streams."""

import base64
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from moto.kinesis.models import Record, Shard, Stream

from lampwork.cloud.moto_seam.backends import backend

__all__ = ["Stream"]

# Sequence numbers of AWS have 56 digits and grow.
SMALLEST_NUMBER: Final = 4959 * 10**52
OF_A_NANOSECOND: Final = 10**30


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record of a stream. `data` is in base64, `arrived_at` in seconds since 1970."""

    shard: str
    sequence: str
    partition_key: str
    data: str
    arrived_at: float


def records(region: str, name: str) -> Iterator[StreamRecord]:
    """The records that a stream holds, in the order of each shard."""
    stream = backend("kinesis", region).streams[name]
    for shard in list(stream.shards.values()):
        for record in list(shard.records.values()):
            yield _described(shard.shard_id, record)


def put(region: str, name: str, partition_key: str, data: bytes) -> None:
    """Put a record into a stream, if there is still one of this name."""
    if stream := backend("kinesis", region).streams.get(name):
        stream.put_record(partition_key, "", base64.b64encode(data).decode())


def note_records(note: Callable[[Stream, StreamRecord], None]) -> None:
    """From now on, call `note` for each record that is put into a stream, in its order."""
    kind: Any = Stream
    put_record = kind.put_record
    order = threading.Lock()

    def put_and_note(stream: Stream, *args: Any, **options: Any) -> tuple[str, str]:
        with order:
            sequence, shard_id = put_record(stream, *args, **options)
            record = stream.shards[shard_id].records[int(sequence)]
            note(stream, _described(shard_id, record))
        return sequence, shard_id

    kind.put_record = put_and_note


def number_as_aws() -> None:
    """From now on, number the records of a shard as AWS does: moto counts from one, and begins
    again after each start. Records are not stored."""

    def put_record(shard: Shard, partition_key: str, data: str, explicit_hash_key: str) -> str:
        last = shard.get_max_sequence_number()
        number = max(last + 1, SMALLEST_NUMBER + time.time_ns() * OF_A_NANOSECOND)
        shard.records[number] = Record(partition_key, data, number, explicit_hash_key)
        return str(number)

    def without_records(shard: Shard) -> dict[str, Any]:
        return {**vars(shard), "records": OrderedDict()}

    kind: Any = Shard
    kind.put_record = put_record
    kind.__getstate__ = without_records


def _described(shard: str, record: Record) -> StreamRecord:
    return StreamRecord(
        shard=shard,
        sequence=str(record.sequence_number),
        partition_key=record.partition_key,
        data=record.data,
        arrived_at=float(record.created_at),
    )
