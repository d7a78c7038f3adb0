import asyncio
import hashlib
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from lampwork.errors import StartError
from lampwork.events.sqs import Message, failed_messages, passes, payload_of, record_of
from lampwork.invocation.outcome import run
from lampwork.invocation.port import Invoker
from lampwork.metrics.queues import watch_queues
from lampwork.stack.entry_points import EntryPoint
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import ACCOUNT_ID, QueueTrigger, Stack
from lampwork.template.resource import Template
from lampwork.template.triggers import read_queue_triggers
from lampwork.triggers.mappings.batches import SHORT_POLL_SECONDS, Batches, BatchLimits
from lampwork.triggers.mappings.sqs_client import SqsClient, SqsError
from lampwork.triggers.samples import REGION, Option, Sample, Service
from lampwork.triggers.source import (
    RunningSource,
    Source,
    SourceContext,
    Unserved,
    nothing_to_wait_for,
)

logger = logging.getLogger(__name__)

NOT_SERVED: Final = (
    "The template's queues are not served: add 'aws' to services, or set AWS_ENDPOINT_URL_SQS."
)

# Lambda begins with five concurrent batches and scales to hundreds; a laptop should stay at five.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
DEFAULT_CONCURRENCY: Final = 5
# Lambda waits 20 s. A shorter wait costs little here, and a stop need not wait long.
LONG_POLL_SECONDS: Final = 1
FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 5.0


def make_messages(*, bodies: Sequence[str], queue_name: str, region: str) -> dict[str, Any]:
    arn = f"arn:aws:sqs:{region}:{ACCOUNT_ID}:{queue_name}"
    records = [record_of(_message(body), arn) for body in bodies]
    event: dict[str, Any] = json.loads(payload_of(records))
    return event


def _message(body: str) -> Message:
    now = str(int(time.time() * 1000))
    return {
        "MessageId": str(uuid.uuid4()),
        "ReceiptHandle": uuid.uuid4().hex,
        "Body": body,
        "MD5OfBody": hashlib.md5(body.encode(), usedforsecurity=False).hexdigest(),
        "Attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": now,
            "SenderId": ACCOUNT_ID,
            "ApproximateFirstReceiveTimestamp": now,
        },
    }


class QueueSource(Source):
    """The event source mappings of SQS."""

    trigger = QueueTrigger
    samples = (
        Sample(
            (Service("sqs", "Queues."),),
            "receive-message",
            "A batch of messages.",
            make_messages,
            (
                Option("body", "Hello from SQS!", "May be repeated.", multiple="bodies"),
                Option("queue-name", "MyQueue"),
                REGION,
            ),
        ),
    )

    def read(self, template: Template, functions: FunctionNames) -> Iterable[QueueTrigger]:
        return read_queue_triggers(template, functions)

    def entry_points(self, stack: Stack, intervals: Mapping[str, float]) -> Iterator[EntryPoint]:
        for each in stack.triggers_of(QueueTrigger):
            yield "queue", each.queue_arn.rpartition(":")[2], each.function

    def open(self, context: SourceContext) -> RunningSource:
        if context.aws is not None:
            watch_queues(context.metrics, context.aws)
        if context.sqs_endpoint is None:
            return Unserved(QueueTrigger, NOT_SERVED, context.say)
        return QueueTriggers(
            context.invoker,
            context.sqs_endpoint,
            context.region,
            context.aws_has_loaded,
        )


class QueueTriggers(RunningSource):
    """Creates a stack's queues at an SQS endpoint and delivers their messages as Lambda does.

    SQS itself does the rest: visibility, order within groups, receive counts, dead letters.
    `until_ready` waits for the endpoint.
    """

    def __init__(
        self,
        invoker: Invoker,
        endpoint_url: str,
        region: str,
        until_ready: Callable[[], Awaitable[None]] = nothing_to_wait_for,
    ) -> None:
        self._stack = Stack(functions={})
        self._invoker = invoker
        self._client = SqsClient(endpoint_url, region)
        self._endpoint_url = endpoint_url
        self._until_ready = until_ready
        self._pollers: dict[QueueTrigger, _Poller] = {}
        self._connected = False

    async def start(self, stack: Stack) -> None:
        """Create the queues and begin to deliver.

        Raises:
            StartError: the endpoint does not answer, or refuses a queue.
        """
        await self._until_ready()
        await self._take(stack)

    async def stop(self) -> None:
        """Stop delivering. Batches that have begun are not waited for: their messages become
        visible again."""
        await self._stop(tuple(self._pollers))
        await self._client.close()

    async def update(self, stack: Stack) -> None:
        wanted = stack.triggers_of(QueueTrigger)
        await self._stop([each for each in self._pollers if each not in wanted])
        await self._take(stack)

    async def _take(self, stack: Stack) -> None:
        self._stack = stack
        triggers = stack.triggers_of(QueueTrigger)
        if not stack.queues and not triggers:
            return
        try:
            if not self._connected:
                await self._client.connect()
                self._connected = True
            await self._restore()
        except SqsError as error:
            raise StartError(
                f"The queues cannot be created at {self._endpoint_url}: {error}"
            ) from error
        for trigger in triggers:
            if trigger not in self._pollers:
                poller = _Poller(trigger, self._invoker, self._client, self._restore)
                self._pollers[trigger] = poller
                poller.start()

    async def _stop(self, triggers: Sequence[QueueTrigger]) -> None:
        await asyncio.gather(*(self._pollers.pop(trigger).stop() for trigger in triggers))

    async def _restore(self) -> None:
        await self._client.create(self._stack.queues)


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message, and its record in the event; the record is None if no filter lets the message
    through."""

    message: Message
    record: bytes | None

    @property
    def weight(self) -> int:
        return len(self.record or b"")


class _Poller:
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
        self._retry_seconds = 0.0

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
        wait = 0 if self._holds_a_group else LONG_POLL_SECONDS
        try:
            batch = await self._batches.next(wait_seconds=wait)
        except SqsError as error:
            await self._retry_later(error)
            return []
        if self._retry_seconds:
            logger.info("queue can be read again", extra={"queue": self._queue})
            self._retry_seconds = 0
        if not batch and not wait:
            await _wait(self._settled, SHORT_POLL_SECONDS)
        return batch

    async def _receive(self, limit: int, wait_seconds: int) -> list[ReceivedMessage]:
        messages = await self._client.receive(self._queue, limit=limit, wait_seconds=wait_seconds)
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

    async def _invoke(self, batch: list[ReceivedMessage]) -> list[Message]:
        """Invoke the function with the messages that its filters let through. Returns those that
        failed; all others count as processed."""
        messages = [each.message for each in batch if each.record is not None]
        if not messages:
            return []
        payload = payload_of(each.record for each in batch if each.record is not None)
        outcome = await run(self._invoker, self._trigger.function, payload)
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
