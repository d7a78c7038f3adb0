"""How pollers batch: by size, by window, and by how large an invocation may be."""

import asyncio
import json
from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lampwork.events.sqs import payload_of
from lampwork.triggers.mappings.batches import Batches, BatchLimits

MEBIBYTE = 1024 * 1024


class Waiting:
    """The messages of a queue, which returns up to ten at a time without waiting."""

    def __init__(self, messages: Iterable[bytes]) -> None:
        self.messages = list(messages)

    async def receive(self, limit: int, wait_seconds: int) -> list[bytes]:
        taken, self.messages = self.messages[: min(limit, 10)], self.messages[min(limit, 10) :]
        return taken


async def batches_of(messages: Iterable[bytes], limits: BatchLimits) -> list[list[bytes]]:
    queue = Waiting(messages)
    batches = Batches(limits, queue.receive, len, asyncio.Event())
    made = []
    while batch := await batches.next(wait_seconds=0):
        made.append(batch)
    return made


@pytest.mark.parametrize("drains", [False, True])
async def test_a_batch_has_no_more_messages_than_its_size(drains: bool):
    made = await batches_of([b"{}"] * 7, BatchLimits(3, drains=drains))

    assert [len(batch) for batch in made] == [3, 3, 1]


async def test_a_batch_without_a_window_has_what_one_receive_returns():
    assert [len(batch) for batch in await batches_of([b"{}"] * 25, BatchLimits(100))] == [10, 10, 5]


async def test_a_draining_batch_takes_every_waiting_message():
    made = await batches_of([b"{}"] * 25, BatchLimits(100, drains=True))

    assert [len(batch) for batch in made] == [25]


async def test_a_window_gathers_the_messages_that_arrive_within_it():
    queue = Waiting([b"1"])
    batches = Batches(BatchLimits(10, window_seconds=0.3), queue.receive, len, asyncio.Event())
    gathering = asyncio.create_task(batches.next(wait_seconds=0))
    await asyncio.sleep(0)
    queue.messages += [b"2", b"3"]

    assert await gathering == [b"1", b"2", b"3"]


async def test_a_stop_ends_a_window():
    stopping = asyncio.Event()
    batches = Batches(BatchLimits(10, window_seconds=60), Waiting([b"1"]).receive, len, stopping)
    gathering = asyncio.create_task(batches.next(wait_seconds=0))
    await asyncio.sleep(0)
    stopping.set()

    assert await asyncio.wait_for(gathering, 5) == [b"1"]


async def test_a_full_event_ends_the_window():
    queue = Waiting([b'"' + b"x" * MEBIBYTE + b'"'] * 7)
    limits = BatchLimits(10_000, window_seconds=60)
    batches = Batches(limits, queue.receive, len, asyncio.Event())

    batch = await asyncio.wait_for(batches.next(wait_seconds=0), 5)

    assert len(batch) == 5


@given(st.lists(st.integers(0, 400), max_size=40), st.integers(1, 12), st.integers(100, 1_000))
def test_no_event_exceeds_its_limit_and_no_message_is_lost(sizes, size, event_bytes):
    messages = [f'"{index:03}{"x" * length}"'.encode() for index, length in enumerate(sizes)]
    limits = BatchLimits(size, event_bytes=event_bytes, drains=True)

    made = asyncio.run(batches_of(messages, limits))

    assert [message for batch in made for message in batch] == messages
    for batch in made:
        event = payload_of(batch)
        assert len(json.loads(event)["Records"]) == len(batch) <= size
        assert len(event) <= event_bytes or len(batch) == 1


@given(st.lists(st.integers(0, 400), min_size=2, max_size=40), st.integers(100, 1_000))
def test_a_batch_ends_only_where_the_next_message_would_not_fit(sizes, event_bytes):
    messages = [f'"{"x" * length}"'.encode() for length in sizes]
    limits = BatchLimits(100, event_bytes=event_bytes, drains=True)

    made = asyncio.run(batches_of(messages, limits))

    for batch, following in pairwise(made):
        assert len(payload_of([*batch, following[0]])) > event_bytes


async def test_messages_that_are_put_first_come_first():
    batches = Batches(BatchLimits(2), Waiting([b"3"]).receive, len, asyncio.Event())
    batches.put_first([b"1", b"2"])

    assert await batches.next(wait_seconds=0) == [b"1", b"2"]
    assert await batches.next(wait_seconds=0) == [b"3"]


async def test_messages_received_before_an_error_wait_for_the_next_batch():
    looks: list[list[bytes] | None] = [[b"1"], None, []]

    async def receive(limit: int, wait_seconds: int) -> list[bytes]:
        brought = looks.pop(0)
        if brought is None:
            raise OSError("away")
        return brought

    batches = Batches(BatchLimits(10, drains=True), receive, len, asyncio.Event())

    with pytest.raises(OSError, match="away"):
        await batches.next(wait_seconds=0)
    assert await batches.next(wait_seconds=0) == [b"1"]
