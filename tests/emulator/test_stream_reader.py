"""How batches of a stream are tried, with a real queue in which the records wait."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from lampwork.events.dynamodb_streams import record_of
from lampwork.events.streams import processed_before_failure
from lampwork.invocation.limits import MAX_EVENT
from lampwork.stack.model import Function, Stack, StreamTrigger
from lampwork.triggers.asynchronous.invocations import Outlet
from lampwork.triggers.mappings.sqs_client import SqsClient
from lampwork.triggers.mappings.streams import StreamTriggers
from tests.emulator.fakes import FakeInvoker

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/rows/stream/now"
QUEUE = "lampwork-stream-rows"
WORK = Function("work", "work", "app.handler", Path())


@pytest.fixture
def sqs(sqs: Any) -> Any:
    """The client `sqs`, with the queue in which the records of the stream wait."""
    sqs.create_queue(QueueName=QUEUE, Attributes={"VisibilityTimeout": "43200"})
    return sqs


def record(number: int) -> Any:
    key = {"id": {"S": str(number)}}
    return record_of(key, None, key, view="NEW_IMAGE", sequence=number, region="us-east-1")


def send(sqs: Any, *records: Any) -> None:
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    for each in records:
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps(each))


def visible(sqs: Any) -> tuple[int, int]:
    """How many messages can be received, and how many are in flight."""
    url = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return int(counts[names[0]]), int(counts[names[1]])


def numbers(event: Any) -> list[int]:
    return [int(each["dynamodb"]["SequenceNumber"]) for each in event["Records"]]


class RecordingOutlet(Outlet):
    def __init__(self) -> None:
        self.records: list[Any] = []

    async def send_record(self, destination: str, record: Any) -> None:
        self.records.append((destination, record))


@pytest.fixture(autouse=True)
def no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop waits for the end of a poll."""
    monkeypatch.setattr("lampwork.triggers.mappings.stream_reader.LONG_POLL_SECONDS", 0)


@asynccontextmanager
async def reading(
    sqs: Any, work: Callable[[Any], Any], outlet: Outlet | None = None, **trigger: Any
) -> AsyncIterator[tuple[FakeInvoker, StreamTriggers]]:
    mapping = StreamTrigger("Rows", ARN, "work", QUEUE, **trigger)
    stack = Stack(functions={"work": WORK}, triggers=(mapping,))
    invoker, client = FakeInvoker(work=work), SqsClient(sqs.meta.endpoint_url, "us-east-1")
    triggers = StreamTriggers(invoker, outlet or Outlet(), client, time_scale=0.01)
    await triggers.start(stack)
    try:
        yield invoker, triggers
    finally:
        await triggers.stop()


async def becomes(expected: Any, read: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while await asyncio.to_thread(read) != expected:
            await asyncio.sleep(0.02)


async def test_no_event_is_larger_than_an_invocation_may_be(sqs):
    picture = {"picture": {"S": "x" * 700_000}}
    records = [
        record_of({}, None, picture, view="NEW_IMAGE", sequence=number, region="us-east-1")
        for number in range(12)
    ]

    await asyncio.to_thread(send, sqs, *records)
    async with reading(sqs, lambda event: None) as (invoker, _):
        await becomes((0, 0), lambda: visible(sqs))

    events = invoker.of("work")
    assert all(len(json.dumps(event)) <= MAX_EVENT for event in events)
    assert [number for event in events for number in numbers(event)] == list(range(12))


async def test_a_batch_is_tried_until_it_works_and_the_next_one_waits_for_it(sqs):
    failures = iter([True, True, False, False])

    def work(event: Any) -> None:
        if next(failures):
            raise ValueError("not yet")

    send(sqs, *map(record, range(3)))
    async with reading(sqs, work, batch_size=2) as (invoker, _):
        await invoker.event("work", 4)
        await becomes((0, 0), lambda: visible(sqs))

    assert list(map(numbers, invoker.of("work"))) == [[0, 1], [0, 1], [0, 1], [2]]


async def test_a_batch_is_retried_from_its_first_reported_failure(sqs):
    tries = iter([{"batchItemFailures": [{"itemIdentifier": "1"}]}, None])

    send(sqs, *map(record, range(3)))
    async with reading(sqs, lambda _: next(tries), reports_item_failures=True) as (invoker, _):
        await invoker.event("work", 2)
        await becomes((0, 0), lambda: visible(sqs))

    assert list(map(numbers, invoker.of("work"))) == [[0, 1, 2], [1, 2]]


async def test_a_batch_may_be_larger_than_what_a_queue_gives_at_once(sqs):
    send(sqs, *map(record, range(25)))
    async with reading(sqs, lambda event: None) as (invoker, _):
        first = await invoker.event("work")

    assert numbers(first) == list(range(25))


async def test_a_record_that_is_too_old_is_given_up(sqs):
    old = record(1)
    old["dynamodb"]["ApproximateCreationDateTime"] -= 100
    outlet = RecordingOutlet()

    send(sqs, old, record(2))
    limits = {"maximum_age_seconds": 60, "on_failure": "arn:failed"}
    async with reading(sqs, lambda event: None, outlet, **limits) as (invoker, _):
        event = await invoker.event("work")

    ((destination, told),) = outlet.records
    assert numbers(event) == [2]
    assert destination == "arn:failed"
    assert told["requestContext"]["condition"] == "RecordAgeExceeded"
    assert told["DDBStreamBatchInfo"]["batchSize"] == 1


@pytest.mark.parametrize("stopped_by", ["stop", "update"])
async def test_records_under_way_at_a_stop_can_be_read_again(sqs, stopped_by):
    async def hang(event: Any) -> None:
        await asyncio.Event().wait()

    send(sqs, record(1))
    async with reading(sqs, hang) as (invoker, triggers):
        await invoker.event("work")
        during = visible(sqs)
        if stopped_by == "update":
            await triggers.update(Stack(functions={}))
            assert visible(sqs) == (1, 0)

    assert during == (0, 1)
    assert visible(sqs) == (1, 0)


@pytest.mark.parametrize(
    ("answer", "done"),
    [
        (b"", 3),
        (b"null", 3),
        (b'{"batchItemFailures": []}', 3),
        (b'{"batchItemFailures": [{"itemIdentifier": "2"}, {"itemIdentifier": "1"}]}', 1),
        (b'{"batchItemFailures": [{"itemIdentifier": ""}]}', 0),
        (b'{"batchItemFailures": [{"itemIdentifier": "7"}]}', 0),
        (b'{"batchItemFailures": [{}]}', 0),
        (b"[1]", 0),
    ],
)
def test_the_records_before_the_first_failure_count_as_processed(answer, done):
    assert processed_before_failure(["0", "1", "2"], answer) == done
