"""How the handlers treat SQS messages that a real event source mapping delivers."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest

import functions.tasks.generate
import functions.ws_broadcast.deliver
from lampwork.stack.model import Queue, QueueTrigger, Stack
from lampwork.triggers.mappings.sqs import QueueTriggers
from shared.generators import registry
from shared.models.task_status import TaskStatus
from shared.process.event_loop import run
from shared.queues.doorbells import DELIVER, GENERATE, doorbell
from tests.emulator.fakes import FakeInvoker
from tests.tasks import FakeGenerator, make_task, picture, read

REGION = "us-east-1"
ARN = f"arn:aws:sqs:{REGION}:000000000000:"

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def generator(url: str) -> FakeGenerator:
    return FakeGenerator(picture)


@pytest.fixture
def instant(backend: pytest.MonkeyPatch) -> None:
    backend.setitem(registry.GENERATORS.factories, "instant", f"{__name__}:generator")
    backend.setenv("GENERATOR_URL", "instant://")


@pytest.fixture
def name(backend: pytest.MonkeyPatch) -> str:
    backend.setenv("AWS_ENDPOINT_URL_APIGATEWAYMANAGEMENTAPI", "http://127.0.0.1:1/live")
    backend.setattr(
        "lampwork.triggers.mappings.sqs_poller.LONG_POLL_SECONDS", 0
    )  # a stop waits for a poll to end
    return uuid4().hex


@asynccontextmanager
async def mapped(handler: Handler, endpoint: str, name: str) -> AsyncIterator[Any]:
    """A queue whose messages go to the handler; those that fail once become dead letters.

    Yields a client of SQS; the handler runs one batch at a time, as in one execution environment.
    """
    fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
    redrive = {"deadLetterTargetArn": f"{ARN}dead-{name}", "maxReceiveCount": 1}
    own = {"RedrivePolicy": json.dumps(redrive), "VisibilityTimeout": "1"}
    stack = Stack(
        functions={},
        queues=(Queue("Queue", name, {**fifo, **own}), Queue("Dead", f"dead-{name}", fifo)),
        triggers=(
            QueueTrigger(
                ARN + name,
                "work",
                batch_size=10,
                maximum_concurrency=1,
                reports_item_failures=True,
            ),
        ),
    )
    invoker = FakeInvoker(work=lambda event: asyncio.to_thread(handler, event, None))
    triggers = QueueTriggers(invoker, endpoint, REGION)
    await triggers.start(stack)
    client: Any = boto3.client("sqs", endpoint_url=endpoint, region_name=REGION)
    try:
        yield client
    finally:
        await triggers.stop()
        client.close()


def send(sqs: Any, name: str, body: str, **options: Any) -> None:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody=body, **options)


async def settled(sqs: Any, name: str, *, dead: int) -> None:
    """Wait until the queue is empty and has this number of dead letters."""
    async with asyncio.timeout(20):
        while await asyncio.to_thread(_counts, sqs, name) != (0, dead):
            await asyncio.sleep(0.05)


def _counts(sqs: Any, name: str) -> tuple[int, ...]:
    return tuple(_count(sqs, queue) for queue in (name, f"dead-{name}"))


def _count(sqs: Any, name: str) -> int:
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)
    return sum(map(int, answer["Attributes"].values()))


def text(actor: str, task_id: UUID) -> str:
    return doorbell(actor, task_id).encode().decode()


GARBAGE = ["{", "null", "[]", '"', '"{}"', "====", "AAAA", "\N{SNOWMAN}", '{"kwargs": {}}']


@pytest.mark.usefixtures("instant")
@pytest.mark.stream_case(70)
async def test_every_valid_message_is_read_and_the_rest_become_dead_letters(object_store, name):
    task_ids = [(await asyncio.to_thread(run, make_task())).id for _ in range(4)]
    plain, encoded, quoted, both = (text(GENERATE, task_id) for task_id in task_ids)
    good = [
        plain,
        base64.b64encode(encoded.encode()).decode(),
        json.dumps(quoted),
        json.dumps(base64.b64encode(both.encode()).decode()),
    ]

    async with mapped(functions.tasks.generate.handler, object_store, name) as sqs:
        for body in [*GARBAGE[:5], *good, *GARBAGE[5:]]:
            await asyncio.to_thread(send, sqs, name, body)
        await settled(sqs, name, dead=len(GARBAGE))

    tasks = [await asyncio.to_thread(run, read(task_id)) for task_id in task_ids]
    assert {task.status for task in tasks} == {TaskStatus.COMPLETED}


@pytest.mark.stream_case(37)
async def test_garbage_among_the_wake_ups_of_one_task_delays_no_other(object_store, name):
    name += ".fifo"
    sent = [("a", "{"), ("b", ""), ("c", ""), ("a", ""), ("b", "null"), ("c", "")]

    async with mapped(functions.ws_broadcast.deliver.handler, object_store, name) as sqs:
        for group, garbage in sent:
            body = garbage or text(DELIVER, uuid4())
            ids = {"MessageGroupId": group, "MessageDeduplicationId": uuid4().hex}
            await asyncio.to_thread(partial(send, sqs, name, body, **ids))
        await settled(sqs, name, dead=2)
