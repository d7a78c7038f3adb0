"""Kinesis streams: what a template creates of them, and how their records reach their readers.

As with tables, each mapping has a queue in which records wait until it has read them.
"""

import json
from collections.abc import Iterable

from botocore.exceptions import ClientError

from lampwork.cloud.creation.made import Made
from lampwork.cloud.in_process import Clients
from lampwork.cloud.moto_seam import kinesis, sqs
from lampwork.cloud.table_streams import QUEUE_ATTRIBUTES
from lampwork.events.kinesis import record_of
from lampwork.stack.model import CloudResource

# The tag of a reader's queue that holds the name of the stream.
STREAM = "lampwork:stream"
DEFAULT_RETENTION_HOURS = 24


def install() -> None:
    kinesis.number_as_aws()
    kinesis.note_records(_send_to_readers)


def create_stream(clients: Clients, resource: CloudResource) -> Made:
    """Create a stream, or set the number of shards and the retention of one that exists."""
    client, properties = clients("kinesis"), resource.properties
    mode = properties.get("StreamModeDetails") or {"StreamMode": "PROVISIONED"}
    shards = int(properties.get("ShardCount", 1))
    on_demand = mode["StreamMode"] == "ON_DEMAND"
    if resource.name not in client.list_streams()["StreamNames"]:
        sized = {} if on_demand else {"ShardCount": shards}
        client.create_stream(StreamName=resource.name, StreamModeDetails=mode, **sized)
    elif not on_demand:
        about = client.describe_stream_summary(StreamName=resource.name)
        if about["StreamDescriptionSummary"]["OpenShardCount"] != shards:
            client.update_shard_count(
                StreamName=resource.name, TargetShardCount=shards, ScalingType="UNIFORM_SCALING"
            )
    hours = int(properties.get("RetentionPeriodHours", DEFAULT_RETENTION_HOURS))
    if hours > DEFAULT_RETENTION_HOURS:
        client.increase_stream_retention_period(
            StreamName=resource.name, RetentionPeriodHours=hours
        )
    return {}


def create_reader(clients: Clients, resource: CloudResource) -> Made:
    """Create the queue of a mapping that reads a stream. If it starts with the oldest record, the
    records that the stream holds come into a new queue."""
    stream = resource.properties["Stream"]
    if not _exists(clients, resource.name):
        clients("sqs").create_queue(
            QueueName=resource.name, Attributes=QUEUE_ATTRIBUTES, tags={STREAM: stream}
        )
        if resource.properties.get("From") == "TRIM_HORIZON":
            for record in kinesis.records(clients.region, stream):
                _send(clients.region, [resource.name], record)
    return {"queue": resource.name}


def _exists(clients: Clients, queue: str) -> bool:
    try:
        clients("sqs").get_queue_url(QueueName=queue)
    except ClientError:
        return False
    return True


def _send_to_readers(stream: kinesis.Stream, record: kinesis.StreamRecord) -> None:
    queues = sqs.queues(stream.region)
    readers = [each.name for each in queues if each.tags.get(STREAM) == stream.stream_name]
    _send(stream.region, readers, record)


def _send(region: str, queues: Iterable[str], record: kinesis.StreamRecord) -> None:
    text = json.dumps(
        record_of(
            shard=record.shard,
            sequence=record.sequence,
            partition_key=record.partition_key,
            data=record.data,
            arrived_at=record.arrived_at,
            region=region,
        )
    )
    for queue in queues:
        sqs.send(region, queue, text)
