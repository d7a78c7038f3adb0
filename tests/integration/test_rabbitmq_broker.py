import json
import time
from collections.abc import Iterator
from contextlib import closing
from threading import Event, Lock
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import dramatiq
import pytest
from dramatiq import Message

from local.rabbitmq_broker import DecodeSafeRabbitmqBroker
from local.worker import Burial
from local.worker_metrics import Rejections
from shared.process import metrics
from shared.process.event_loop import run
from shared.queues import brokers
from shared.queues.doorbells import GENERATE, QueueUnavailable
from shared.queues.dramatiq_queue import over_rabbitmq
from tests.proxy import Proxy
from tests.recorded import recording
from tests.services import delete_queues
from tests.workers import working

GOOD = 10
TASK_ID = uuid4()


@pytest.fixture
def broker(rabbitmq: str) -> Iterator[DecodeSafeRabbitmqBroker]:
    delete_queues(rabbitmq, "work", GENERATE)
    made = brokers.rabbitmq_broker(rabbitmq, [Burial(), Rejections()], DecodeSafeRabbitmqBroker)
    assert isinstance(made, DecodeSafeRabbitmqBroker)
    with closing(made):
        yield made


@pytest.fixture
def proxy(rabbitmq: str) -> Iterator[Proxy]:
    port = urlsplit(rabbitmq).port
    assert port
    with Proxy(port) as opened:
        yield opened


def message(**changes: Any) -> bytes:
    """A valid message, except for `changes`."""
    fields = Message("work", "work", (), {"number": 1}, {}).asdict()
    return json.dumps({**fields, **changes}).encode()


GARBAGE = {
    "no JSON": b"{",
    "bytes": b"\xff\x00\xfe",
    "a list": b"[]",
    "null": b"null",
    "nothing": b"",
    "no options": message(options=None),
    "a list as actor": message(actor_name=["work"]),
    "no arguments": message(args=None),
    "unknown fields": message(colour="red"),
    "a list as id": message(message_id=["x"]),
    "another queue's": message(queue_name="other"),
    "a list as keyword arguments": message(kwargs=[1]),
    "an unknown actor's": message(actor_name="unknown"),
    "other keyword arguments": message(kwargs={"colour": "red"}),
    "more arguments": message(args=[1, 2, 3]),
}


@pytest.mark.stream_case(37)
def test_valid_messages_run_whatever_garbage_lies_between_them(broker):
    done, numbers, lock = Event(), [], Lock()

    @dramatiq.actor(broker=broker, actor_name="work", queue_name="work")
    def work(number: int) -> None:
        with lock:
            numbers.append(number)
            if len(numbers) == GOOD:
                done.set()

    broker.declare_queue("work", ensure=True)
    garbage = [data for _ in range(2) for data in GARBAGE.values()]
    for number in range(GOOD):
        for data in garbage[number::GOOD]:
            broker.channel.basic_publish("", "work", data)
        broker.enqueue(Message("work", "work", (), {"number": number}, {}))

    with recording() as records, working(broker):
        assert done.wait(10)
        broker.join("work", timeout=10_000)

    assert sorted(numbers) == list(range(GOOD))
    assert broker.get_queue_message_counts("work") == (0, 0, len(garbage))
    assert records.all(metrics.MESSAGES_REJECTED) == {
        ("work", "unreadable"): len(garbage) - 6,
        ("work", "unknown_actor"): 2,
        ("work", "failed"): 4,
    }


def test_a_delayed_message_arrives_when_it_is_due(broker):
    done = Event()

    @dramatiq.actor(broker=broker, actor_name="work", queue_name="work")
    def work() -> None:
        done.set()

    with working(broker):
        sent_at = time.time()
        broker.enqueue(Message("work", "work", (), {}, {}), delay=500)
        assert done.wait(10)

    assert time.time() - sent_at >= 0.5


@pytest.mark.stream_case(36)
def test_a_doorbell_rings_although_its_connection_was_closed_meanwhile(broker, proxy):
    with closing(over_rabbitmq(address_through(proxy))) as queue:
        run(queue.ring_generate(TASK_ID))
        proxy.cut()
        run(queue.ring_generate(TASK_ID))
        proxy.close()
        proxy.open()
        run(queue.ring_generate(TASK_ID))

    assert broker.get_queue_message_counts(GENERATE) == (3, 0, 0)


def test_a_doorbell_reports_that_it_cannot_ring_and_rings_when_the_broker_is_back(broker, proxy):
    proxy.close()

    with closing(over_rabbitmq(address_through(proxy))) as queue:
        with pytest.raises(QueueUnavailable):
            run(queue.ring_generate(TASK_ID))
        with pytest.raises(QueueUnavailable):
            run(queue.check())
        proxy.open()
        run(queue.ring_generate(TASK_ID))
        run(queue.check())

    assert broker.get_queue_message_counts(GENERATE) == (1, 0, 0)


def test_a_health_check_does_not_trust_an_open_connection(proxy):
    queue = over_rabbitmq(address_through(proxy))
    run(queue.check())

    proxy.close()

    with pytest.raises(QueueUnavailable):
        run(queue.check())


def test_a_wrong_password_makes_the_queue_unavailable(rabbitmq):
    queue = over_rabbitmq(rabbitmq.replace("guest:guest", "guest:wrong"))

    with pytest.raises(QueueUnavailable):
        run(queue.check())


def test_a_url_may_have_settings_of_its_own():
    own: Any = brokers.rabbitmq_broker("amqp://rabbit.example/%2Flamps?heartbeat=30").parameters
    ours: Any = brokers.rabbitmq_broker("amqps://user:p%40ss@rabbit.example/lamps").parameters

    assert (own.heartbeat, own.virtual_host) == (30, "/lamps")
    assert (ours.heartbeat, ours.virtual_host) == (10, "lamps")
    assert ours.credentials.password == "p@ss"


def address_through(proxy: Proxy) -> str:
    return f"amqp://guest:guest@127.0.0.1:{proxy.port}"
