import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from lampwork.events.sqs import Message, failed_messages, passes, payload_of, record_of
from lampwork.events.trace_lineage import longest_chain
from lampwork.invocation.outcome import run
from lampwork.invocation.port import Invoker
from lampwork.stack.model import QueueTrigger
from lampwork.triggers.mappings.batches import SHORT_POLL_SECONDS, Batches, BatchLimits
from lampwork.triggers.mappings.sqs_client import SqsClient, SqsError
from lampwork.triggers.source import ReadQueue

logger = logging.getLogger(__name__)

# Lambda begins with five concurrent batches and scales to hundreds; a laptop should stay at five.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
DEFAULT_CONCURRENCY: Final = 5
# Lambda waits 20 s. A shorter wait costs little here, and a stop need not wait long. A queue that
# has been empty for a while is asked more rarely: a question costs 4 ms of processor time.
LONG_POLL_SECONDS: Final = 1
QUIET_AFTER: Final = 30
QUIET_FACTOR: Final = 3
FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 5.0
MOST_RESTING: Final = 10_000


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message, and its record in the event; the record is None if no filter lets the message
    through."""

    message: Message
    record: bytes | None

    @property
    def weight(self) -> int:
        return len(self.record or b"")


class QueuePoller:
    """One event source mapping. It receives only when the concurrency limit lets a batch run, and
    deletes the messages that were processed.

    `restore` creates the queues again, in case the endpoint has restarted without them.
    """

    def __init__(
        self,
        trigger: QueueTrigger,
        invoker: Invoker,
        client: SqsClient,
        restore: Callable[[], Awaitable[None]],
    ) -> None:
        self._trigger = trigger
        self._queue = trigger.queue_arn.rpartition(":")[2]
        self._invoker = invoker
        self._client = client
        self._restore = restore
        self._is_fifo = self._queue.endswith(".fifo")
        self._free = asyncio.Semaphore(trigger.maximum_concurrency or DEFAULT_CONCURRENCY)
        self._deliveries: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._batches = Batches(
            BatchLimits(trigger.batch_size, trigger.window_seconds),
            self._receive,
            lambda received: received.weight,
            self._stopping,
        )
        self._settled = asyncio.Event()
        self._held_until = 0.0
        self._resting: dict[str, int | None] = {}
        self._beginnings = 0
        self._retry_seconds = 0.0
        self._empty = 0  # receives in a row that brought nothing

    @property
    def reads(self) -> ReadQueue:
        return ReadQueue(self._queue, self._resting)

    async def begin_anew(self) -> None:
        self._beginnings += 1  # a receive that is under way may still bring what is gone
        self._resting.clear()
        self._batches.take_all()
        self._held_until = 0.0

    def start(self) -> None:
        self._polling = asyncio.create_task(self._poll_until_stopped())

    async def stop(self) -> None:
        # Wait for the current receive: the messages that it returns would stay hidden otherwise.
        self._stopping.set()
        self._settled.set()
        for delivery in self._deliveries:
            delivery.cancel()
        await asyncio.gather(self._polling, *self._deliveries, return_exceptions=True)

    async def _poll_until_stopped(self) -> None:
        while await self._free.acquire() and not self._stopping.is_set():
            batch = await self._next_batch()
            if not batch or self._stopping.is_set():
                self._free.release()
                await self._put_back(batch)
                continue
            delivery = self._start_delivery(batch)
            if self._is_fifo and self._batches.holds_any:
                # Messages left over may belong to the same groups, and must be delivered later.
                await asyncio.wait([delivery])
        await self._put_back(self._batches.take_all())

    async def _next_batch(self) -> list[ReceivedMessage]:
        """The next batch; empty if no message came, or the queue cannot be read now."""
        self._settled.clear()
        wait = 0 if self._holds_a_group else self._wait_seconds
        try:
            batch = await self._batches.next(wait_seconds=wait)
        except SqsError as error:
            await self._retry_later(error)
            return []
        if self._retry_seconds:
            logger.info("queue can be read again", extra={"queue": self._queue})
            self._retry_seconds = 0
        self._empty = 0 if batch else self._empty + 1
        if not batch and not wait:
            await _wait(self._settled, SHORT_POLL_SECONDS)
        return batch

    @property
    def _wait_seconds(self) -> int:
        return LONG_POLL_SECONDS * (QUIET_FACTOR if self._empty >= QUIET_AFTER else 1)

    async def _receive(self, limit: int, wait_seconds: int) -> list[ReceivedMessage]:
        beginnings = self._beginnings
        messages = await self._client.receive(self._queue, limit=limit, wait_seconds=wait_seconds)
        if beginnings != self._beginnings:
            messages = await self._client.still_there(self._queue, messages)
        for message in messages:
            self._resting.pop(message["MessageId"], None)
        return [self._received(message) for message in messages]

    def _received(self, message: Message) -> ReceivedMessage:
        arn = self._trigger.queue_arn
        return ReceivedMessage(
            message, record_of(message, arn) if passes(message, self._trigger) else None
        )

    @property
    def _holds_a_group(self) -> bool:
        """Whether received messages may hold back others of their group. If so, moto would answer
        a long poll by looking again and again without a pause."""
        under_way = bool(self._deliveries) or _now() < self._held_until
        return under_way and self._is_fifo

    def _start_delivery(self, batch: list[ReceivedMessage]) -> asyncio.Task[None]:
        delivery = asyncio.create_task(self._deliver(batch))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        delivery.add_done_callback(lambda _: self._free.release())
        # Messages that this batch held back should not wait for the next poll as well.
        delivery.add_done_callback(lambda _: self._settled.set())
        return delivery

    async def _deliver(self, batch: list[ReceivedMessage]) -> None:
        failed = await self._invoke(batch)
        failed_ids = {message["MessageId"] for message in failed}
        done = [each.message for each in batch if each.message["MessageId"] not in failed_ids]
        self._let_rest(failed)
        try:
            await self._client.delete(self._queue, done)
            if failed and self._is_fifo:
                await self._hold(failed)
        except SqsError as error:
            logger.warning(
                "batch cannot be deleted, it will be delivered again",
                extra={"queue": self._queue, "reason": str(error)},
            )
            if self._is_fifo:
                await self._put_back(self._batches.take_all())

    def _let_rest(self, failed: Sequence[Message]) -> None:
        for message in failed:
            count = message["Attributes"].get("ApproximateReceiveCount")
            self._resting[message["MessageId"]] = None if count is None else int(count)
        while len(self._resting) > MOST_RESTING:  # those that became dead letters never come again
            del self._resting[next(iter(self._resting))]

    async def _invoke(self, batch: list[ReceivedMessage]) -> list[Message]:
        """Invoke the function with the messages that its filters let through. Returns those that
        failed; all others count as processed."""
        messages = [each.message for each in batch if each.record is not None]
        if not messages:
            return []
        payload = payload_of(each.record for each in batch if each.record is not None)
        headers = (message["Attributes"].get("AWSTraceHeader") for message in messages)
        outcome = await run(
            self._invoker,
            self._trigger.function,
            payload,
            trace_header=longest_chain(filter(None, headers)),
        )
        if outcome.failure is not None:
            logger.warning("batch failed", extra={"queue": self._queue, "reason": outcome.failure})
            return messages
        if self._trigger.reports_item_failures:
            return failed_messages(messages, outcome.answer)
        return []

    async def _hold(self, failed: Sequence[Message]) -> None:
        """Keep only the first failed message of each group hidden, and put the others back. It
        holds them back, and is received before them again. If several were hidden, moto would
        return the last one first."""
        self._held_until = _now() + await self._client.visibility_seconds(self._queue)
        groups: set[str] = set()
        behind = []
        for message in failed:
            group = _group(message)
            if group in groups:
                behind.append(message)
            groups.add(group)
        left_over = self._batches.take_all()
        behind += [each.message for each in left_over if _group(each.message) in groups]
        self._batches.put_first(each for each in left_over if _group(each.message) not in groups)
        await self._client.put_back(self._queue, behind)

    async def _put_back(self, batch: Sequence[ReceivedMessage]) -> None:
        with suppress(SqsError):  # they become visible again anyway, only later
            await self._client.put_back(self._queue, [each.message for each in batch])

    async def _retry_later(self, error: SqsError) -> None:
        if not self._retry_seconds:
            logger.warning(
                "queue cannot be read", extra={"queue": self._queue, "reason": str(error)}
            )
        self._retry_seconds = min(
            max(FIRST_RETRY_SECONDS, self._retry_seconds * 2), LAST_RETRY_SECONDS
        )
        await self._pause(self._retry_seconds)
        with suppress(SqsError):  # still unreachable: the next receive fails and tries again
            await self._restore()

    async def _pause(self, seconds: float) -> None:
        await _wait(self._stopping, seconds)


def _group(message: Message) -> str:
    group: str = message["Attributes"]["MessageGroupId"]
    return group


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()
