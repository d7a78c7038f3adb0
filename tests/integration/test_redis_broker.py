import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import Any
from uuid import uuid4

import dramatiq
import pytest
from dramatiq import ConnectionClosed, Message, Worker
from redis import ConnectionError as RedisConnectionError
from redis import Redis, ResponseError

from local.redis_broker import DecodeSafeRedisBroker
from local.worker import Burial
from local.worker_metrics import Rejections
from shared.process import metrics
from shared.process.event_loop import run
from shared.queues import brokers, dramatiq_queue
from tests.recorded import recording
from tests.workers import working

GOOD = 10


@pytest.fixture
def broker(redis_server: str) -> Iterator[DecodeSafeRedisBroker]:
    url = f"{redis_server}/2"
    with Redis.from_url(url) as client:
        client.flushdb()
    made = brokers.redis_broker(url, [Burial(), Rejections()], DecodeSafeRedisBroker)
    assert isinstance(made, DecodeSafeRedisBroker)
    yield made
    made.close()
    made.client.close()


def put_raw(broker: DecodeSafeRedisBroker, data: bytes | None) -> str:
    """Put data into the queue as Dramatiq would; for None, put only its id."""
    redis_id = str(uuid4())
    if data is not None:
        broker.client.hset("dramatiq:work.msgs", redis_id, data)
    broker.client.rpush("dramatiq:work", redis_id)
    return redis_id


def message(**changes: Any) -> bytes:
    """A valid message, except for `changes`."""
    fields = Message("work", "work", (), {"number": 1}, {"redis_message_id": "x"}).asdict()
    return json.dumps({**fields, **changes}).encode()


GARBAGE = {
    "no JSON": b"{",
    "bytes": b"\xff\x00\xfe",
    "a list": b"[]",
    "null": b"null",
    "no options": message(options=None),
    "a list as actor": message(actor_name=["work"]),
    "no arguments": message(args=None),
    "unknown fields": message(colour="red"),
    "a list as id": message(message_id=["x"]),
    "another queue's": message(queue_name="other"),
    "another id": message(),
    "no id": message(options={}),
    "a list as keyword arguments": message(kwargs=[1]),
    "nothing": None,
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

    garbage = [data for _ in range(2) for data in GARBAGE.values()]
    for number in range(GOOD):
        for data in garbage[number::GOOD]:
            put_raw(broker, data)
        broker.enqueue(Message("work", "work", (), {"number": number}, {}))

    with recording() as records, working(broker):
        assert done.wait(10)
        broker.join("work", timeout=10_000)

    assert sorted(numbers) == list(range(GOOD))
    buried = sum(data is not None for data in garbage)
    assert broker.client.zcard("dramatiq:work.XQ") == buried
    assert records.all(metrics.MESSAGES_REJECTED) == {("work", "unreadable"): buried}
    assert broker.client.keys("dramatiq:__acks__*") == []


@pytest.mark.stream_case(37)
def test_a_message_for_an_unknown_actor_goes_to_the_dead_letters(broker):
    done = Event()

    @dramatiq.actor(broker=broker, actor_name="work", queue_name="work")
    def work() -> None:
        done.set()

    broker.enqueue(Message("work", "unknown", (), {}, {}))
    broker.enqueue(Message("work", "work", (), {}, {}))

    with recording() as records, working(broker):
        assert done.wait(10)
        broker.join("work", timeout=10_000)

    assert broker.client.zcard("dramatiq:work.XQ") == 1
    assert records.all(metrics.MESSAGES_REJECTED) == {("work", "unknown_actor"): 1}


def test_only_urgent_queues_are_polled_often(redis_server):
    broker = DecodeSafeRedisBroker(url=redis_server, poll_ms={"deliver": 20})

    polls = {name: broker.consume(name, timeout=100).timeout for name in ("deliver", "deliver.DQ")}

    assert polls == {"deliver": 20, "deliver.DQ": 500}


def old_redis(*_: object) -> None:
    raise ResponseError("unknown command")


def stand_in(*_: object) -> None:
    """As fakeredis does, whose answer is none at all."""


@pytest.mark.parametrize("blmove", [None, old_redis, stand_in])
def test_a_message_of_an_urgent_queue_wakes_its_consumer(redis_server, monkeypatch, blmove):
    broker = DecodeSafeRedisBroker(url=redis_server, poll_ms={"urgent": 20})
    broker.flush("urgent")
    if blmove:
        monkeypatch.setattr(broker.client, "blmove", blmove)
    sent: Message[Any] = Message("urgent", "work", (), {}, {})
    consumer = broker.consume("urgent")

    empty = next(consumer)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(lambda: next(filter(None, consumer)))
        broker.enqueue(sent)
        found = waiting.result(10)
    consumer.ack(found)

    assert empty is None
    assert found.message_id == sent.message_id
    assert broker.do_qsize("urgent") == 0


def test_a_server_that_cannot_wait_is_asked_at_its_pace(redis_server, monkeypatch):
    broker = DecodeSafeRedisBroker(url=redis_server, poll_ms={"urgent": 20})
    broker.flush("urgent")
    monkeypatch.setattr(broker.client, "blmove", stand_in)
    consumer = broker.consume("urgent")

    began = time.monotonic()
    for _ in range(5):
        assert next(consumer) is None

    assert time.monotonic() - began >= 5 * 0.02


def test_a_connection_that_ends_while_a_consumer_waits_is_opened_again(redis_server, monkeypatch):
    def ends(*_: object) -> None:
        raise RedisConnectionError("closed")

    broker = DecodeSafeRedisBroker(url=redis_server, poll_ms={"urgent": 20})
    broker.flush("urgent")
    monkeypatch.setattr(broker.client, "blmove", ends)

    with pytest.raises(ConnectionClosed):
        next(broker.consume("urgent"))


def test_a_backlog_runs_without_a_pause_between_messages(broker):
    done, last = [], Event()

    @dramatiq.actor(broker=broker, queue_name="work", actor_name="work")
    def work(number):
        time.sleep(0.01)
        done.append(number)
        if len(done) == GOOD:
            last.set()

    for number in range(GOOD):
        work.send(number)
    worker = Worker(broker, worker_threads=1, worker_timeout=2000)
    worker.queue_prefetch = 1
    worker.start()
    finished = last.wait(2)
    worker.stop()

    assert finished
    assert done == list(range(GOOD))


@pytest.mark.stream_case(41)
@pytest.mark.usefixtures("broker")
def test_no_worker_holds_a_message_for_long(redis_server):
    queue = dramatiq_queue.over_redis(f"{redis_server}/2")

    run(queue.send_tick(7200))

    with Redis.from_url(f"{redis_server}/2") as client:
        (data,) = client.hgetall("dramatiq:tick.DQ.msgs").values()
    queue.close()
    assert Message.decode(data).options["eta"] / 1000 - time.time() <= 900


def test_an_empty_delay_queue_is_asked_at_every_third_pause(redis_server, monkeypatch):
    broker = DecodeSafeRedisBroker(url=redis_server, poll_ms={"tick": 20})
    broker.declare_queue("tick")
    asked: list[str] = []

    def nothing(queue: str, _count: int) -> list[bytes]:
        asked.append(queue)
        return []

    monkeypatch.setattr(broker, "do_fetch", nothing)
    consumer = broker.consume("tick.DQ")
    consumer.timeout = 1

    for _ in range(7):
        assert next(consumer) is None

    assert asked == ["tick.DQ"] * 3
