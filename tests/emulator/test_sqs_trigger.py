import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lampwork.errors import StartError, Throttled
from lampwork.events.sqs import failed_messages, payload_of, record_of
from lampwork.invocation.limits import MAX_EVENT
from lampwork.stack.model import Queue, QueueTrigger, Stack
from lampwork.triggers.mappings.batches import SHORT_POLL_SECONDS
from lampwork.triggers.mappings.sqs import QueueTriggers
from tests.emulator.fakes import FakeInvoker

REGION = "us-east-1"
ARN = "arn:aws:sqs:us-east-1:000000000000:"
MEBIBYTE = 1024 * 1024


def stack_of(*queues: Queue, batch_size: int = 10, visibility: int = 30, **trigger: Any) -> Stack:
    """A stack whose first queue triggers the function `work`."""
    first, *others = queues or [Queue("Jobs", "jobs")]
    first = Queue(
        first.logical_id,
        first.name,
        {**first.attributes, "VisibilityTimeout": str(visibility)},
    )
    mapping = QueueTrigger(ARN + first.name, "work", batch_size=batch_size, **trigger)
    return Stack(functions={}, queues=(first, *others), triggers=(mapping,))


FIFO = Queue("Jobs", "jobs.fifo", {"FifoQueue": "true", "ContentBasedDeduplication": "true"})
WITH_DEAD_LETTERS = (
    Queue(
        "Jobs",
        "jobs",
        {"RedrivePolicy": json.dumps({"deadLetterTargetArn": f"{ARN}dead", "maxReceiveCount": 2})},
    ),
    Queue("Dead", "dead"),
)


LONG_POLL = "lampwork.triggers.mappings.sqs_poller.LONG_POLL_SECONDS"


@pytest.fixture(autouse=True)
def no_long_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop waits for the end of a poll."""
    monkeypatch.setattr(LONG_POLL, 0)


@pytest.fixture
def long_polls(no_long_polls: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long polls as users have them, for tests that depend on them."""
    monkeypatch.setattr(LONG_POLL, 1)


@asynccontextmanager
async def delivering(
    sqs: Any, stack: Stack, work: Callable[[Any], Any], before: Callable[[], None] = lambda: None
) -> AsyncIterator[FakeInvoker]:
    """The stack's queues exist and deliver; what `before` sends is there when delivery begins."""
    invoker = FakeInvoker(work=work)
    triggers = QueueTriggers(invoker, sqs.meta.endpoint_url, REGION)
    without_triggers = Stack(functions={}, queues=stack.queues)
    creating = QueueTriggers(invoker, sqs.meta.endpoint_url, REGION)
    await creating.start(without_triggers)
    await creating.stop()
    await asyncio.to_thread(before)
    await triggers.start(stack)
    try:
        yield invoker
    finally:
        await triggers.stop()


def send(sqs: Any, *bodies: str, queue: str = "jobs", **options: Any) -> None:
    for body in bodies:
        sqs.send_message(QueueUrl=url_of(sqs, queue), MessageBody=body, **options)


def url_of(sqs: Any, queue: str) -> str:
    return str(sqs.get_queue_url(QueueName=queue)["QueueUrl"])


def count(sqs: Any, queue: str = "jobs") -> int:
    """The number of messages in a queue, including hidden ones."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = sqs.get_queue_attributes(QueueUrl=url_of(sqs, queue), AttributeNames=names)
    return sum(map(int, answer["Attributes"].values()))


async def becomes(expected: Any, read: Callable[[], Any]) -> None:
    async with asyncio.timeout(10):
        while await asyncio.to_thread(read) != expected:
            await asyncio.sleep(0.02)


def bodies(event: Mapping[str, Any]) -> list[str]:
    return [record["body"] for record in event["Records"]]


async def show_again(sqs: Any, records: list[Any]) -> None:
    """Make received messages visible again, as after their visibility timeout."""
    for each in records:
        hidden = {"QueueUrl": url_of(sqs, "jobs"), "ReceiptHandle": each["receiptHandle"]}
        await asyncio.to_thread(sqs.change_message_visibility, **hidden, VisibilityTimeout=0)


async def test_a_message_arrives_in_the_event_of_lambda_and_is_then_deleted(sqs, long_polls):
    attributes = {
        "kind": {"DataType": "String", "StringValue": "a"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    async with delivering(sqs, stack_of(), lambda event: None) as invoker:
        await asyncio.to_thread(partial(send, sqs, "hello", MessageAttributes=attributes))
        (record,) = (await invoker.event("work"))["Records"]
        await becomes(0, lambda: count(sqs))

    assert set(record) == {
        *("messageId", "receiptHandle", "body", "attributes", "messageAttributes"),
        *("md5OfBody", "md5OfMessageAttributes", "eventSource", "eventSourceARN", "awsRegion"),
    }
    assert record["body"] == "hello"
    assert record["eventSource"] == "aws:sqs"
    assert record["eventSourceARN"] == f"{ARN}jobs"
    assert record["awsRegion"] == REGION
    assert record["attributes"].keys() == {
        *("ApproximateReceiveCount", "SentTimestamp", "SenderId"),
        "ApproximateFirstReceiveTimestamp",
    }
    assert record["attributes"]["ApproximateReceiveCount"] == "1"
    assert record["messageAttributes"] == {
        "kind": {
            "stringValue": "a",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "String",
        },
        "raw": {
            "binaryValue": "AAE=",
            "stringListValues": [],
            "binaryListValues": [],
            "dataType": "Binary",
        },
    }


async def test_a_batch_holds_at_most_batch_size_messages(sqs):
    stack = stack_of(batch_size=2, maximum_concurrency=2)
    five = partial(send, sqs, *"abcde")
    async with delivering(sqs, stack, lambda event: None, before=five) as invoker:
        await invoker.event("work", 3)
        await becomes(0, lambda: count(sqs))

    assert [len(event["Records"]) for event in invoker.of("work")] == [2, 2, 1]


async def test_a_window_gathers_messages_that_come_within_it(sqs):
    stack = stack_of(batch_size=20, window_seconds=1)
    async with delivering(sqs, stack, lambda event: None) as invoker:
        for start in range(0, 12, 4):
            entries = [
                {"Id": each, "MessageBody": each} for each in map(str, range(start, start + 4))
            ]
            at_once = partial(sqs.send_message_batch, QueueUrl=url_of(sqs, "jobs"), Entries=entries)
            await asyncio.to_thread(at_once)
        event = await invoker.event("work")

    assert sorted(map(int, bodies(event))) == list(range(12))


@pytest.mark.assertion(14)
async def test_a_failed_batch_comes_again_until_it_is_a_dead_letter(sqs):
    async def fail(event: Any) -> None:
        await show_again(sqs, event["Records"])
        raise RuntimeError("no")

    stack = stack_of(*WITH_DEAD_LETTERS)
    one = partial(send, sqs, "poison")
    async with delivering(sqs, stack, fail, before=one) as invoker:
        await becomes(1, lambda: count(sqs, "dead"))

    counts = [
        event["Records"][0]["attributes"]["ApproximateReceiveCount"] for event in invoker.of("work")
    ]
    sent = {event["Records"][0]["messageId"] for event in invoker.of("work")}
    dead = sqs.receive_message(QueueUrl=url_of(sqs, "dead"))["Messages"]
    assert counts == ["1", "2"]
    assert {message["MessageId"] for message in dead} == sent
    assert count(sqs) == 0


@pytest.mark.assertion(14)
async def test_a_message_has_at_most_1_mib_and_waits_at_most_15_minutes(sqs):
    mib = 1024 * 1024
    async with delivering(sqs, stack_of(), lambda event: None) as invoker:
        await asyncio.to_thread(send, sqs, "a" * mib)
        (record,) = (await invoker.event("work"))["Records"]
        refused = []
        for body, delay in (("a" * (mib + 1), 0), ("a", 901)):
            with pytest.raises(ClientError) as refusal:
                await asyncio.to_thread(send, sqs, body, DelaySeconds=delay)
            refused.append(refusal.value.response["Error"]["Code"])

    assert len(record["body"]) == mib
    assert refused == ["InvalidParameterValue", "InvalidParameterValue"]


async def test_a_throttled_batch_stays_in_the_queue(sqs):
    def throttle(event: Any) -> None:
        raise Throttled("reserved concurrency is used up")

    async with delivering(sqs, stack_of(), throttle, before=partial(send, sqs, "a")) as invoker:
        await invoker.event("work")

    assert count(sqs) == 1


@pytest.mark.assertion(14)
async def test_only_the_reported_items_come_again(sqs):
    async def fail_b_at_first(event: Any) -> Any:
        failed = [
            record
            for record in event["Records"]
            if record["body"] == "b" and record["attributes"]["ApproximateReceiveCount"] == "1"
        ]
        await show_again(sqs, failed)
        return {"batchItemFailures": [{"itemIdentifier": each["messageId"]} for each in failed]}

    stack = stack_of(reports_item_failures=True)
    three = partial(send, sqs, "a", "b", "c")
    async with delivering(sqs, stack, fail_b_at_first, before=three) as invoker:
        second = await invoker.event("work", 2)
        await becomes(0, lambda: count(sqs))

    assert bodies(second) == ["b"]


async def test_without_the_setting_reported_items_are_ignored(sqs):
    def report_all(event: Any) -> Any:
        return {
            "batchItemFailures": [
                {"itemIdentifier": each["messageId"]} for each in event["Records"]
            ]
        }

    async with delivering(sqs, stack_of(), report_all, before=partial(send, sqs, "a")):
        await becomes(0, lambda: count(sqs))


BATCH = [{"MessageId": "1"}, {"MessageId": "2"}]


@pytest.mark.parametrize(
    "answer",
    ["", "null", '""', "{}", '{"batchItemFailures": []}', '{"batchItemFailures": null}'],
)
@pytest.mark.assertion(14)
def test_an_answer_without_failures_means_that_all_succeeded(answer):
    assert failed_messages(BATCH, answer.encode()) == []


@pytest.mark.parametrize(
    "answer",
    [
        "{not json",
        '{"batchItemFailures": [{"itemIdentifier": ""}]}',
        '{"batchItemFailures": [{"itemIdentifier": null}]}',
        '{"batchItemFailures": [{"id": "1"}]}',
        '{"batchItemFailures": [{"itemIdentifier": "1"}, {"itemIdentifier": "unknown"}]}',
        '{"batchItemFailures": "1"}',
    ],
)
@pytest.mark.assertion(14)
def test_an_answer_that_aws_cannot_read_means_that_all_failed(answer):
    assert failed_messages(BATCH, answer.encode()) == BATCH


def test_a_message_in_a_trace_keeps_the_trace():
    message = {
        "MessageId": "1",
        "ReceiptHandle": "r",
        "Body": "b",
        "MD5OfBody": "5",
        "Attributes": {"AWSTraceHeader": "Root=1", "SomethingNew": "x"},
    }

    (record,) = json.loads(payload_of([record_of(message, f"{ARN}jobs")]))["Records"]

    assert record["attributes"] == {"AWSTraceHeader": "Root=1"}
    assert "md5OfMessageAttributes" not in record


async def test_not_more_than_the_maximum_concurrency_runs_at_once(sqs):
    running, most = 0, 0

    async def work(event: Any) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    stack = stack_of(batch_size=1, maximum_concurrency=2)
    async with delivering(sqs, stack, work, before=partial(send, sqs, *"abcdef")):
        await becomes(0, lambda: count(sqs))

    assert most == 2


def send_groups(sqs: Any, *messages: str) -> None:
    """Each message goes to the group its first letter names."""
    for message in messages:
        send(sqs, message, queue="jobs.fifo", MessageGroupId=message[0])


@pytest.mark.assertion(14)
async def test_a_group_has_one_batch_at_a_time_and_other_groups_go_on(sqs, long_polls):
    begun: list[str] = []
    release = asyncio.Event()

    async def work(event: Any) -> None:
        begun.extend(bodies(event))
        if "a1" in bodies(event):
            await release.wait()

    stack = stack_of(FIFO, batch_size=1)
    messages = partial(send_groups, sqs, "a1", "a2", "b1", "b2")
    async with delivering(sqs, stack, work, before=messages) as invoker:
        await invoker.event("work", 3)
        await becomes(3, lambda: len(begun))
        during = list(begun)
        release.set()
        await becomes(0, lambda: count(sqs, "jobs.fifo"))

    assert during == ["a1", "b1", "b2"]
    assert begun == ["a1", "b1", "b2", "a2"]


async def test_messages_behind_a_batch_of_their_group_come_as_soon_as_it_is_done(sqs, long_polls):
    stack = stack_of(FIFO, batch_size=1)
    messages = partial(send_groups, sqs, *(f"a{number}" for number in range(20)))
    async with delivering(sqs, stack, lambda event: None, before=messages) as invoker:
        start = time.monotonic()
        await invoker.event("work", 20)

    assert time.monotonic() - start < 20 * SHORT_POLL_SECONDS


async def test_a_failed_batch_of_a_group_comes_again_in_order_before_what_follows(sqs, long_polls):
    def fail_at_first(event: Any) -> None:
        if event["Records"][0]["attributes"]["ApproximateReceiveCount"] == "1":
            raise RuntimeError("no")

    stack = stack_of(FIFO, visibility=1, batch_size=3)
    messages = partial(send_groups, sqs, "a1", "a2", "a3", "a4")
    async with delivering(sqs, stack, fail_at_first, before=messages) as invoker:
        await invoker.event("work")
        await becomes(0, lambda: count(sqs, "jobs.fifo"))

    delivered = [body for event in invoker.of("work")[1:] for body in bodies(event)]
    assert bodies(invoker.of("work")[0]) == ["a1", "a2", "a3"]
    assert list(dict.fromkeys(delivered)) == ["a1", "a2", "a3", "a4"]


async def test_a_stop_is_quick_while_a_queue_is_empty(sqs, long_polls):
    async with delivering(sqs, stack_of(), lambda event: None) as invoker:
        await asyncio.to_thread(partial(send, sqs, "a"))
        await invoker.event("work")
        start = time.monotonic()

    assert time.monotonic() - start < 2.5


async def test_a_stop_does_not_wait_for_a_function(sqs):
    async def hang(event: Any) -> None:
        await asyncio.Event().wait()

    one = partial(send, sqs, "a")
    async with delivering(sqs, stack_of(), hang, before=one) as invoker:
        await invoker.event("work")
        start = time.monotonic()

    assert time.monotonic() - start < 2.5
    assert count(sqs) == 1


LARGE = {"MaximumMessageSize": str(MEBIBYTE)}


def large(number: int) -> str:
    return str(number).ljust(MEBIBYTE - 100)


async def test_no_event_is_larger_than_an_invocation_may_be(sqs):
    numbers = [str(number) for number in range(10)]
    stack = stack_of(Queue("Jobs", "jobs", LARGE))

    before = partial(send, sqs, *map(large, range(10)))
    async with delivering(sqs, stack, lambda event: None, before=before) as invoker:
        await invoker.event("work", 2)
        await becomes(0, partial(count, sqs))

    events = invoker.of("work")
    assert all(len(json.dumps(event)) <= MAX_EVENT for event in events)
    assert sorted(body.strip() for event in events for body in bodies(event)) == numbers
    assert all(
        record["attributes"]["ApproximateReceiveCount"] == "1"
        for event in events
        for record in event["Records"]
    )


async def test_a_group_keeps_its_order_when_an_event_cannot_hold_all_of_it(sqs):
    running = []

    async def work(event: Any) -> None:
        running.append("begin")
        await asyncio.sleep(0.1)
        running.append("end")

    stack = stack_of(Queue("Jobs", "jobs.fifo", {**FIFO.attributes, **LARGE}))
    before = partial(send, sqs, *map(large, range(10)), queue="jobs.fifo", MessageGroupId="one")
    async with delivering(sqs, stack, work, before=before) as invoker:
        await becomes(0, partial(count, sqs, "jobs.fifo"))

    seen = [body.strip() for event in invoker.of("work") for body in bodies(event)]
    assert seen == [str(number) for number in range(10)]
    assert running == ["begin", "end"] * len(invoker.of("work"))


async def test_messages_that_do_not_fit_wait_for_a_failed_message_of_their_group(sqs):
    failures = iter([True])

    def work(event: Any) -> None:
        if next(failures, False):
            raise ValueError("not yet")

    stack = stack_of(Queue("Jobs", "jobs.fifo", {**FIFO.attributes, **LARGE}), visibility=2)
    before = partial(send, sqs, *map(large, range(8)), queue="jobs.fifo", MessageGroupId="one")
    async with delivering(sqs, stack, work, before=before) as invoker:
        await becomes(0, partial(count, sqs, "jobs.fifo"))

    failed, *later = invoker.of("work")
    assert bodies(failed)[0].strip() == "0"
    done = [body.strip() for event in later for body in bodies(event)]
    # On a slow machine a message with so short a visibility timeout may come twice.
    assert list(dict.fromkeys(done)) == [str(number) for number in range(8)]


async def test_an_update_adds_new_queues_and_leaves_the_others_alone(sqs):
    work = FakeInvoker(work=lambda event: None, more=lambda event: None)
    triggers = QueueTriggers(work, sqs.meta.endpoint_url, REGION)
    await triggers.start(stack_of())
    before = stack_of()
    stack = Stack(
        functions={},
        queues=(*before.queues, Queue("More", "more")),
        triggers=(*before.triggers, QueueTrigger(f"{ARN}more", "more")),
    )

    await triggers.update(stack)
    await asyncio.to_thread(partial(send, sqs, "a"))
    await asyncio.to_thread(partial(send, sqs, "b", queue="more"))

    assert bodies(await work.event("work")) == ["a"]
    assert bodies(await work.event("more")) == ["b"]
    await triggers.stop()


async def test_queues_that_an_endpoint_has_lost_are_created_again(sqs, caplog):
    async with delivering(sqs, stack_of(), lambda event: None) as invoker:
        await asyncio.to_thread(lambda: sqs.delete_queue(QueueUrl=url_of(sqs, "jobs")))
        await becomes(True, lambda: bool(sqs.list_queues().get("QueueUrls")))
        await asyncio.to_thread(partial(send, sqs, "a"))
        event = await invoker.event("work")

    assert bodies(event) == ["a"]
    assert [each.message for each in caplog.records if each.levelname == "WARNING"] == [
        "queue cannot be read"
    ]


async def test_an_endpoint_that_does_not_answer_is_reported_at_the_start():
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    triggers = QueueTriggers(FakeInvoker(), url, REGION)

    with pytest.raises(StartError, match=url):
        await triggers.start(stack_of())
    await triggers.stop()


async def test_a_stack_without_queues_needs_no_endpoint():
    triggers = QueueTriggers(FakeInvoker(), "http://127.0.0.1:1", REGION)

    await triggers.start(Stack(functions={}))
    await triggers.stop()
