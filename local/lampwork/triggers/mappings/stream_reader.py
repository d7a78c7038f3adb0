import asyncio
import json
import logging
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from lampwork.events.sqs import Message
from lampwork.invocation.port import Invoker
from lampwork.stack.model import Function, StreamTrigger
from lampwork.triggers.asynchronous.invocations import Outlet
from lampwork.triggers.mappings.shard_reader import ShardReader, WaitingRecord, kind_of
from lampwork.triggers.mappings.sqs_client import SqsClient, SqsError
from lampwork.triggers.source import ReadQueue

logger = logging.getLogger(__name__)

LONG_POLL_SECONDS: Final = 1
RETRY_SECONDS: Final = 0.5
# How soon a long poll returns what waits in the queue.
AT_ONCE_SECONDS: Final = 0.02
# How many records may wait for batches that are under way.
MOST_WAITING: Final = 1_000


class StreamReader:
    """One event source mapping of a stream. Each shard has a reader of its own, or as many as the
    mapping's ParallelizationFactor says: a batch that fails holds up only its own shard.

    The records of all shards come from one queue.
    """

    def __init__(
        self,
        trigger: StreamTrigger,
        function: Function,
        invoker: Invoker,
        outlet: Outlet,
        client: SqsClient,
        time_scale: float,
    ) -> None:
        self._trigger = trigger
        self._client = client
        self._kind = kind_of(trigger)
        self._make: Callable[[str], ShardReader] = lambda shard: ShardReader(
            trigger, function, invoker, outlet, client, time_scale, shard=shard, more=self._more
        )
        self._shards: dict[tuple[str, int], ShardReader] = {}
        self._beginnings = 0
        self._receiving = asyncio.Lock()
        self._received = asyncio.Event()
        self._is_polling = False
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._receive_until_stopped())

    @property
    def reads(self) -> ReadQueue:
        resting = (message for shard in self._shards.values() for message in shard.resting)
        return ReadQueue(self._trigger.queue, dict.fromkeys(resting))

    async def begin_anew(self) -> None:
        self._beginnings += 1  # a receive that is under way may still bring what is gone
        shards, self._shards = self._shards, {}
        await asyncio.gather(*(each.stop() for each in shards.values()))

    async def stop(self) -> None:
        # Wait for the current receive: the messages that it returns would stay hidden otherwise.
        self._stopping.set()
        await self._task
        await asyncio.gather(*(each.stop() for each in self._shards.values()))

    async def _receive_until_stopped(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                if sum(each.waiting for each in self._shards.values()) < MOST_WAITING:
                    await self._receive(LONG_POLL_SECONDS)
                else:
                    await self._pause(RETRY_SECONDS)
                failing = False
            except SqsError as error:
                if not failing:
                    about = {"stream": self._trigger.stream, "reason": str(error)}
                    logger.warning("stream cannot be read", extra=about)
                failing = True
                await self._pause(RETRY_SECONDS)

    async def _more(self) -> None:
        """Receive what waits in the queue now. A long poll that is under way would have it."""
        if not self._is_polling:
            await self._receive(0)
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._received.wait(), AT_ONCE_SECONDS)

    async def _receive(self, wait_seconds: int) -> None:
        # One receives at a time, so that records stay in order.
        async with self._receiving:
            self._is_polling = wait_seconds > 0
            self._received.clear()
            beginnings = self._beginnings
            try:
                messages = await self._client.receive(
                    self._trigger.queue, limit=self._trigger.batch_size, wait_seconds=wait_seconds
                )
            finally:
                self._is_polling = False
            if beginnings != self._beginnings:
                messages = await self._client.still_there(self._trigger.queue, messages)
            for message in messages:
                self._pass_on(message)
            self._received.set()

    def _pass_on(self, message: Message) -> None:
        record = json.loads(message["Body"])
        shard = self._kind.shard_of(record)
        part = zlib.crc32(self._kind.key_of(record).encode()) % self._trigger.parallel_batches
        if (shard, part) not in self._shards:
            self._shards[shard, part] = self._make(shard)
        self._shards[shard, part].add(WaitingRecord(message, record, self._kind))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
