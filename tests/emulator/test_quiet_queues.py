"""How long a poller waits for a queue's next message."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

from lampwork.stack.model import QueueTrigger
from lampwork.triggers.mappings.sqs_client import SqsClient
from lampwork.triggers.mappings.sqs_poller import LONG_POLL_SECONDS, QUIET_AFTER, QueuePoller
from tests.emulator.fakes import FakeInvoker

QUEUE = "arn:aws:sqs:us-east-1:000000000000:jobs"
MESSAGE = {"MessageId": "1", "ReceiptHandle": "1", "Body": "{}", "MD5OfBody": "", "Attributes": {}}


class Script:
    """An endpoint that returns these batches one after the other, and then nothing for ever."""

    def __init__(self, batches: Sequence[list[Any]]) -> None:
        self._batches = list(batches)
        self.waits: list[int] = []
        self.told = asyncio.Event()

    async def receive(self, _queue: str, *, limit: int, wait_seconds: int) -> list[Any]:
        self.waits.append(wait_seconds)
        if self._batches:
            return self._batches.pop(0)
        self.told.set()
        await asyncio.sleep(0.01)
        return []

    async def delete(self, _queue: str, _messages: Sequence[Any]) -> None:
        pass

    async def put_back(self, _queue: str, _messages: Sequence[Any]) -> None:
        pass


async def test_a_queue_that_stays_empty_is_asked_more_rarely_until_a_message_comes():
    empty: list[list[Any]] = [[]] * QUIET_AFTER
    client = Script([*empty, [], [MESSAGE], [], [MESSAGE]])

    async def restore() -> None:
        pass

    poller = QueuePoller(
        QueueTrigger(QUEUE, "work", batch_size=1),
        FakeInvoker(work=lambda _: None),
        cast(SqsClient, client),
        restore,
    )
    poller.start()
    await client.told.wait()
    await poller.stop()

    often, rarely = LONG_POLL_SECONDS, LONG_POLL_SECONDS * 3
    assert client.waits[:QUIET_AFTER] == [often] * QUIET_AFTER
    assert client.waits[QUIET_AFTER : QUIET_AFTER + 4] == [rarely, rarely, often, often]
