import asyncio
import json
import os
from typing import Any
from uuid import uuid4

import boto3
import pytest
from dramatiq import Message

import functions.tasks.generate
from shared.generators import registry
from shared.models.task_status import TaskStatus
from shared.process import metrics
from shared.process.event_loop import run
from shared.queues.registry import queue
from shared.queues.sqs_queue import SQSQueue
from tests.recorded import recording
from tests.tasks import FakeGenerator, make_task, picture, read

pytestmark = pytest.mark.usefixtures("backend")


def generator(url: str) -> FakeGenerator:
    return FakeGenerator(picture)


@pytest.fixture
def sqs(backend: pytest.MonkeyPatch) -> Any:
    """The queues of the cloud, empty, and the application sending to them."""
    client: Any = boto3.client("sqs")
    fifo = {"FifoQueue": "true"}
    for name, attributes in (("GENERATE", {}), ("DELIVER", fifo), ("SWEEP", {}), ("TICK", {})):
        suffix = ".fifo" if attributes else ""
        made = client.create_queue(QueueName=f"{uuid4().hex}{suffix}", Attributes=attributes)
        backend.setenv(f"{name}_QUEUE_URL", made["QueueUrl"])
    backend.setenv("QUEUE_URL", "sqs://")
    backend.setitem(registry.GENERATORS.factories, "instant", f"{__name__}:generator")
    backend.setenv("GENERATOR_URL", "instant://")
    return client


def received(sqs: Any, name: str) -> list[dict[str, Any]]:
    answer = sqs.receive_message(
        QueueUrl=os.environ[f"{name}_QUEUE_URL"],
        MaxNumberOfMessages=10,
        AttributeNames=["All"],
    )
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    return messages


def event(*bodies: str) -> dict[str, Any]:
    return {"Records": [{"messageId": str(n), "body": body} for n, body in enumerate(bodies)]}


def test_the_message_that_the_application_sends_to_sqs_runs_the_task_in_lambda(sqs):
    task = run(make_task())
    run(queue().ring_generate(task.id))
    (message,) = received(sqs, "GENERATE")

    answer = functions.tasks.generate.handler(event(message["Body"]), None)

    assert answer == {"batchItemFailures": []}
    assert run(read(task.id)).status == TaskStatus.COMPLETED


@pytest.mark.stream_case(37)
def test_invalid_messages_become_dead_letters_and_the_valid_one_runs(sqs):
    task = run(make_task())
    good = Message("generate", "generate", (), {"task_id": str(task.id)}, {}).encode().decode()
    foreign = Message("generate", "generate", (), {"other": 1}, {}).encode().decode()

    with recording() as records:
        answer = functions.tasks.generate.handler(event("{", good, foreign, "[]"), None)

    failed = [item["itemIdentifier"] for item in answer["batchItemFailures"]]
    assert failed == ["0", "2", "3"]
    assert run(read(task.id)).status == TaskStatus.COMPLETED
    assert records.all(metrics.MESSAGES_REJECTED) == {
        ("generate", "unreadable"): 2,
        ("generate", "failed"): 1,
    }


@pytest.mark.case("H16")
def test_a_message_cannot_change_the_owner_of_a_task(sqs):
    task = run(make_task())
    forged = {"task_id": str(task.id), "user_id": str(uuid4()), "prompt": "something else"}
    message: Message[Any] = Message("generate", "generate", (), forged, {})

    answer = functions.tasks.generate.handler(event(message.encode().decode()), None)

    done = run(read(task.id))
    assert answer == {"batchItemFailures": []}
    assert (done.user_id, done.prompt) == (task.user_id, task.prompt)


def test_a_message_for_a_deleted_task_is_discarded(sqs):
    gone = Message("generate", "generate", (), {"task_id": str(uuid4())}, {}).encode().decode()

    assert functions.tasks.generate.handler(event(gone), None) == {"batchItemFailures": []}


def test_wake_ups_of_one_task_are_one_group_and_none_is_treated_as_a_duplicate(sqs):
    task_id = uuid4()

    async def ring_twice() -> None:
        await asyncio.gather(queue().ring_deliver(task_id), queue().ring_deliver(task_id))

    run(ring_twice())

    messages = received(sqs, "DELIVER")
    assert [message["Attributes"]["MessageGroupId"] for message in messages] == [str(task_id)] * 2
    assert json.loads(messages[0]["Body"])["kwargs"] == {"task_id": str(task_id)}


def test_sweeps_and_ticks_have_queues_of_their_own(sqs):
    async def send() -> None:
        await queue().send_sweep()
        await queue().send_tick()

    run(send())

    actors = [
        json.loads(received(sqs, name)[0]["Body"])["actor_name"] for name in ("SWEEP", "TICK")
    ]
    assert actors == ["sweep", "tick"]


@pytest.mark.parametrize(("seconds", "asked"), [(0, 0), (1.2, 2), (1000, 900)])
@pytest.mark.stream_case(41)
def test_a_message_never_arrives_early(seconds, asked):
    """SQS takes whole seconds, and a doorbell that rings early starts no task."""

    class Recorder:
        def send_message(self, **message: Any) -> None:
            self.delay = message["DelaySeconds"]

    recorder: Any = Recorder()

    run(SQSQueue(recorder, {"generate": "url"}).ring_generate(uuid4(), delay_seconds=seconds))

    assert recorder.delay == asked


@pytest.mark.usefixtures("sqs")
@pytest.mark.stream_case(41)
def test_sqs_is_asked_for_no_longer_delay_than_it_allows():
    run(queue().send_tick(7200))  # more than a quarter of an hour would be refused
