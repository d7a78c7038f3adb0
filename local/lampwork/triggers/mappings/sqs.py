import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final

from lampwork.errors import StartError
from lampwork.events.sqs import Message, failed_messages, passes, payload_of
from lampwork.invocation.outcome import run
from lampwork.invocation.port import Invoker
from lampwork.stack.model import QueueTrigger, Stack
from lampwork.triggers.mappings.sqs_client import SqsClient, SqsError

logger = logging.getLogger(__name__)

# Lambda begins with five and goes on to hundreds; a laptop is better left at five.
# https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
DEFAULT_CONCURRENCY: Final = 5
# Lambda waits 20 s. A shorter wait costs little here and lets a stop be quick.
LONG_POLL_SECONDS: Final = 1
SHORT_POLL_SECONDS: Final = 0.1
FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 5.0


class QueueTriggers:
    """Creates a stack's queues at an SQS endpoint and delivers their messages as Lambda does.

    Visibility, order of groups, receive counts and dead letters are the queue's own work.
    """

    def __init__(self, stack: Stack, invoker: Invoker, endpoint_url: str, region: str) -> None:
        self._stack = stack
        self._invoker = invoker
        self._client = SqsClient(endpoint_url, region)
        self._endpoint_url = endpoint_url
        self._pollers: dict[QueueTrigger, _Poller] = {}
        self._connected = False

    async def start(self) -> None:
        """Create the queues and begin to deliver.

        Raises:
            StartError: the endpoint does not answer, or refuses a queue.
        """
        await self._take(self._stack)

    async def stop(self) -> None:
        """Deliver no more. Batches under way are not waited for: their messages come again."""
        await self._stop(tuple(self._pollers))
        await self._client.close()

    async def update(self, stack: Stack) -> None:
        """Go on with this stack; mappings that are the same as before are not disturbed.

        Raises:
            StartError: as for `start`.
        """
        await self._stop([each for each in self._pollers if each not in stack.queue_triggers])
        await self._take(stack)

    async def _take(self, stack: Stack) -> None:
        self._stack = stack
        if not stack.queues and not stack.queue_triggers:
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
        for trigger in stack.queue_triggers:
            if trigger not in self._pollers:
                poller = _Poller(trigger, self._invoker, self._client, self._restore)
                self._pollers[trigger] = poller
                poller.start()

    async def _stop(self, triggers: Sequence[QueueTrigger]) -> None:
        await asyncio.gather(*(self._pollers.pop(trigger).stop() for trigger in triggers))

    async def _restore(self) -> None:
        await self._client.create(self._stack.queues)


class _Poller:
    """One event source mapping: receives when a batch may run, and deletes what was done.

    `restore` creates the queues again, for an endpoint that comes back empty.
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
        self._free = asyncio.Semaphore(trigger.maximum_concurrency or DEFAULT_CONCURRENCY)
        self._deliveries: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._settled = asyncio.Event()
        self._held_until = 0.0
        self._retry_seconds = 0.0

    def start(self) -> None:
        self._polling = asyncio.create_task(self._poll_until_stopped())

    async def stop(self) -> None:
        # A receive under way is waited for: the messages it brings would stay hidden.
        self._stopping.set()
        self._settled.set()
        for delivery in self._deliveries:
            delivery.cancel()
        await asyncio.gather(self._polling, *self._deliveries, return_exceptions=True)

    async def _poll_until_stopped(self) -> None:
        while await self._free.acquire() and not self._stopping.is_set():
            messages = await self._receive()
            if messages and not self._stopping.is_set():
                self._start_delivery(messages)
            else:
                self._free.release()
                await self._put_back(messages)

    async def _receive(self) -> list[Message]:
        """The next batch; empty if there is none or the queue cannot be read now."""
        try:
            messages = await self._next_batch()
        except SqsError as error:
            await self._retry_later(error)
            return []
        if self._retry_seconds:
            logger.info("queue can be read again", extra={"queue": self._queue})
            self._retry_seconds = 0
        return messages

    async def _next_batch(self) -> list[Message]:
        messages = await self._first_messages()
        end = _now() + self._trigger.window_seconds
        while messages and (missing := self._trigger.batch_size - len(messages)) > 0:
            if _now() >= end or self._stopping.is_set():
                break
            more = await self._client.receive(self._queue, limit=missing, wait_seconds=0)
            messages += more
            if not more:
                await self._pause(min(SHORT_POLL_SECONDS, end - _now()))
        return messages

    async def _first_messages(self) -> list[Message]:
        self._settled.clear()
        wait = 0 if self._holds_a_group else LONG_POLL_SECONDS
        limit = self._trigger.batch_size
        messages = await self._client.receive(self._queue, limit=limit, wait_seconds=wait)
        if not messages and not wait:
            await _wait(self._settled, SHORT_POLL_SECONDS)
        return messages

    @property
    def _holds_a_group(self) -> bool:
        """Whether messages may wait behind received ones of their group: moto answers a long poll
        for those by looking again without a pause."""
        under_way = bool(self._deliveries) or _now() < self._held_until
        return under_way and self._queue.endswith(".fifo")

    def _start_delivery(self, messages: list[Message]) -> None:
        delivery = asyncio.create_task(self._deliver(messages))
        self._deliveries.add(delivery)
        delivery.add_done_callback(self._deliveries.discard)
        delivery.add_done_callback(lambda _: self._free.release())
        # What waited behind it in its group should not wait for the next look as well.
        delivery.add_done_callback(lambda _: self._settled.set())

    async def _deliver(self, messages: list[Message]) -> None:
        failed = await self._invoke(messages)
        try:
            await self._client.delete(
                self._queue, [each for each in messages if each not in failed]
            )
            if failed and self._queue.endswith(".fifo"):
                await self._hold(failed)
        except SqsError as error:
            logger.warning(
                "batch cannot be settled, it will come again",
                extra={"queue": self._queue, "reason": str(error)},
            )

    async def _invoke(self, messages: list[Message]) -> list[Message]:
        """Run the function with those of a batch that its filters let through; the messages that
        failed. The others are as if done."""
        messages = [each for each in messages if passes(each, self._trigger)]
        if not messages:
            return []
        payload = payload_of(messages, self._trigger)
        outcome = await run(self._invoker, self._trigger.function, payload)
        if outcome.failure is not None:
            logger.warning("batch failed", extra={"queue": self._queue, "reason": outcome.failure})
            return messages
        if self._trigger.reports_item_failures:
            return failed_messages(messages, outcome.answer)
        return []

    async def _hold(self, failed: Sequence[Message]) -> None:
        """Leave of each group only the first failed message hidden. It holds back the others,
        and comes before them again: of several hidden ones moto would give the last one first."""
        self._held_until = _now() + await self._client.visibility_seconds(self._queue)
        groups: set[str] = set()
        behind = []
        for message in failed:
            group = message["Attributes"]["MessageGroupId"]
            if group in groups:
                behind.append(message)
            groups.add(group)
        await self._client.put_back(self._queue, behind)

    async def _put_back(self, messages: Sequence[Message]) -> None:
        with suppress(SqsError):  # they come back by themselves, only later
            await self._client.put_back(self._queue, messages)

    async def _retry_later(self, error: SqsError) -> None:
        if not self._retry_seconds:
            logger.warning(
                "queue cannot be read", extra={"queue": self._queue, "reason": str(error)}
            )
        self._retry_seconds = min(
            max(FIRST_RETRY_SECONDS, self._retry_seconds * 2), LAST_RETRY_SECONDS
        )
        await self._pause(self._retry_seconds)
        with suppress(SqsError):  # still away; the next receive says so
            await self._restore()

    async def _pause(self, seconds: float) -> None:
        await _wait(self._stopping, seconds)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def _now() -> float:
    return asyncio.get_running_loop().time()
