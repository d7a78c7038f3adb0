"""A shop whose clicks go through a Kinesis stream, with real HTTP and boto3 clients."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.emulator.projects.installation import Installation, Project, project
from tests.waiting import until

HTTP = Path(sys.executable).with_name("http")


@pytest.fixture(scope="module")
def clicks(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Project]:
    with project(installation, "clicks", tmp_path_factory.mktemp("projects")) as clicks:
        clicks.up("--time-scale", "0.005")
        yield clicks


def client(clicks: Project, service: str) -> Any:
    session: Any = boto3.session.Session()
    return session.client(service, **clicks.aws)


def counted(clicks: Project, page: str, number: int) -> Any:
    """Wait until so many clicks of a page are counted; returns its row."""
    session: Any = boto3.session.Session()
    table = session.resource("dynamodb", **clicks.aws).Table("counts")

    def row() -> Any:
        return table.get_item(Key={"page": page}, ConsistentRead=True).get("Item", {})

    until(lambda: int(row().get("clicks", 0)) >= number)
    return row()


def put(clicks: Project, *records: tuple[str, Any]) -> Any:
    """Put records, each with its partition key, into the stream."""
    return client(clicks, "kinesis").put_records(
        StreamName="clicks",
        Records=[
            {"PartitionKey": key, "Data": data if isinstance(data, bytes) else json.dumps(data)}
            for key, data in records
        ],
    )


def test_a_click_that_is_posted_is_counted(clicks: Project) -> None:
    url = f"{clicks.origin}/clicks"
    command = [str(HTTP), "--ignore-stdin", "--check-status", "--body", "POST", url]
    fields = ["user=ada", "page=home"]
    answer = subprocess.run([*command, *fields], check=True, capture_output=True, text=True)

    told = json.loads(answer.stdout)

    assert re.fullmatch(r"shardId-\d{12}", told["shard"])
    assert counted(clicks, "home", 1)["numbers"] == [told["number"]]


def test_the_records_of_a_shard_are_counted_once_and_in_their_order(clicks: Project) -> None:
    answer = put(clicks, *(("ben", {"page": "cart"}) for _ in range(120)))

    sent = [each["SequenceNumber"] for each in answer["Records"]]
    assert sent == sorted(sent, key=int)
    assert counted(clicks, "cart", 120)["numbers"] == sent
    assert counted(clicks, "cart", 120)["clicks"] == 120


def test_only_the_record_that_cannot_be_read_is_given_up(clicks: Project) -> None:
    good = [("eve", {"page": "list"}) for _ in range(6)]
    answer = put(clicks, *good[:3], ("eve", b"no json"), *good[3:])

    counted(clicks, "list", 6)
    sqs = client(clicks, "sqs")
    url = sqs.get_queue_url(QueueName="broken")["QueueUrl"]
    received: list[Any] = []

    def came() -> bool:
        received.extend(sqs.receive_message(QueueUrl=url, WaitTimeSeconds=1).get("Messages", []))
        return bool(received)

    until(came)
    (record,) = (json.loads(each["Body"]) for each in received)
    # As recorded on AWS: localstack/localstack,
    # tests/aws/services/lambda_/event_source_mapping/test_lambda_integration_kinesis.snapshot.json
    assert record.keys() == {
        *("version", "timestamp", "requestContext", "responseContext", "KinesisBatchInfo"),
    }
    assert record["requestContext"]["condition"] == "RetryAttemptsExhausted"
    about = record["KinesisBatchInfo"]
    broken = answer["Records"][3]
    assert about["shardId"] == broken["ShardId"]
    assert about["startSequenceNumber"] == about["endSequenceNumber"] == broken["SequenceNumber"]
    assert about["batchSize"] == 1
    assert about["streamArn"].endswith(":stream/clicks")


def test_filters_look_into_the_data_and_at_the_metadata(clicks: Project) -> None:
    put(
        clicks,
        ("cheap", {"page": "shop", "kind": "sale", "price": 99}),
        ("text", b"sale"),
        ("dear", {"page": "shop", "kind": "sale", "price": 100}),
        ("vip", b"\x00\x01"),
    )
    session: Any = boto3.session.Session()
    table = session.resource("dynamodb", **clicks.aws).Table("counts")

    def watched() -> set[str]:
        pages = (each["page"] for each in table.scan()["Items"])
        return {page for page in pages if page.startswith("watched")}

    until(lambda: len(watched()) >= 2)
    assert watched() == {"watched dear", "watched vip"}
    row = table.get_item(Key={"page": "watched vip"})["Item"]
    record = json.loads(row["record"])
    assert base64.b64decode(record["kinesis"]["data"]) == b"\x00\x01"
    assert record.keys() == {
        *("kinesis", "eventSource", "eventVersion", "eventID", "eventName"),
        *("invokeIdentityArn", "awsRegion", "eventSourceARN"),
    }
    assert record["kinesis"].keys() == {
        *("kinesisSchemaVersion", "partitionKey", "sequenceNumber", "data"),
        "approximateArrivalTimestamp",
    }
    assert (record["eventSource"], record["eventName"]) == ("aws:kinesis", "aws:kinesis:record")


def test_the_stream_itself_can_be_read(clicks: Project) -> None:
    kinesis = client(clicks, "kinesis")
    put(clicks, ("reader", {"page": "read"}))

    about = kinesis.describe_stream_summary(StreamName="clicks")["StreamDescriptionSummary"]
    assert (about["OpenShardCount"], about["RetentionPeriodHours"]) == (2, 48)
    found = []
    for shard in kinesis.list_shards(StreamName="clicks")["Shards"]:
        iterator = kinesis.get_shard_iterator(
            StreamName="clicks", ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        found += kinesis.get_records(ShardIterator=iterator)["Records"]
    assert any(each["PartitionKey"] == "reader" for each in found)
