import asyncio
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from lampwork.clock import CLOCK
from lampwork.errors import LampworkError
from lampwork.events.dynamodb_streams import DYNAMODB
from lampwork.events.event_patterns.pattern import EventPattern
from lampwork.events.kinesis import KINESIS
from lampwork.events.sqs import Message
from lampwork.events.streams import (
    Record,
    StreamKind,
    payload_of,
    processed_before_failure,
    with_stream_arn,
)
from lampwork.events.trace_lineage import without_lineage
from lampwork.invocation.port import Invocation, Invoker
from lampwork.stack.model import Function, StreamTrigger
from lampwork.timestamps import iso_milliseconds
from lampwork.triggers.asynchronous.invocations import Outlet
from lampwork.triggers.mappings.batches import Batches, BatchLimits
from lampwork.triggers.mappings.sqs_client import SqsClient, SqsError

logger = logging.getLogger(__name__)

LONG_WAIT_SECONDS: Final = 30
FIRST_RETRY_SECONDS: Final = 0.5
LAST_RETRY_SECONDS: Final = 60.0
RETRIES_OVER: Final = "RetryAttemptsExhausted"
TOO_OLD: Final = "RecordAgeExceeded"


@dataclass(frozen=True, slots=True)
class WaitingRecord:
    """A record of a stream, and the message of the queue in which it waits."""

    message: Message
    record: Record
    kind: StreamKind

    @property
    def arrived_at(self) -> float:
        return self.kind.arrived_at(self.record)

    @property
    def sequence(self) -> int:
        return int(self.number)

    @property
    def number(self) -> str:
        return self.kind.sequence_of(self.record)


class ShardReader:
    """Delivers the records of one shard, or of a part of it, one batch at a time.

    `more` receives what waits in the queue now, and adds it to the readers of the shards.
    """

    def __init__(
        self,
        trigger: StreamTrigger,
        function: Function,
        invoker: Invoker,
        outlet: Outlet,
        client: SqsClient,
        time_scale: float,
        *,
        shard: str,
        more: Callable[[], Awaitable[None]],
    ) -> None:
        self._trigger = trigger
        self._kind = kind_of(trigger)
        self._function = function
        self._invoker = invoker
        self._outlet = outlet
        self._client = client
        self._time_scale = time_scale
        self._shard = shard
        self._more = more
        self._come: list[WaitingRecord] = []
        self._has_come = asyncio.Event()
        self._under_way: list[WaitingRecord] = []
        self._delivery: asyncio.Task[None] | None = None
        self._pausing = False
        self._stopping = asyncio.Event()
        self._batches = Batches(
            BatchLimits(trigger.batch_size, trigger.window_seconds, drains=True),
            self._receive,
            lambda waiting: len(json.dumps(with_stream_arn(waiting.record, trigger.stream_arn))),
            self._stopping,
            order=lambda waiting: waiting.sequence,
        )
        self._reading = asyncio.create_task(self._read())

    @property
    def waiting(self) -> int:
        """How many records have come and are in no batch yet."""
        return len(self._come)

    @property
    def resting(self) -> Iterator[str]:
        """The ids of the messages that wait for the next try of a batch."""
        if self._pausing:
            waiting = (*self._under_way, *self._batches.waiting, *self._come)
            yield from (each.message["MessageId"] for each in waiting)

    def add(self, record: WaitingRecord) -> None:
        self._come.append(record)
        self._has_come.set()

    async def stop(self) -> None:
        self._stopping.set()
        self._has_come.set()
        if self._delivery is not None:
            self._delivery.cancel()
        await self._reading

    async def _read(self) -> None:
        failing = False
        while not self._stopping.is_set():
            try:
                self._under_way = await self._batches.next(wait_seconds=LONG_WAIT_SECONDS)
                if self._under_way and not self._stopping.is_set():
                    self._delivery = asyncio.create_task(self._deliver(self._under_way))
                    await asyncio.wait([self._delivery])
                    self._raise_what_went_wrong(self._delivery)
                failing = False
            except SqsError as error:
                if not failing:
                    logger.warning("stream cannot be read", extra=self._about(str(error)))
                failing = True
                self._batches.put_first(self._under_way)
                self._under_way = []
                await self._pause(FIRST_RETRY_SECONDS)
        held = [*self._under_way, *self._batches.take_all(), *self._come]
        with suppress(SqsError):  # they become visible again after a restart anyway
            await self._client.put_back(self._trigger.queue, [each.message for each in held])

    def _raise_what_went_wrong(self, delivery: "asyncio.Task[None]") -> None:
        if not delivery.cancelled() and (error := delivery.exception()):
            raise error

    async def _receive(self, limit: int, wait_seconds: int) -> list[WaitingRecord]:
        if not self._come and wait_seconds:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._has_come.wait(), wait_seconds)
        elif not self._come:
            await self._more()
        taken, self._come = self._come[:limit], self._come[limit:]
        if not self._come and not self._stopping.is_set():
            self._has_come.clear()
        return taken

    async def _deliver(self, batch: list[WaitingRecord]) -> None:
        wanted = [each for each in batch if self._passes(each.record)]
        await self._settle([each for each in batch if each not in wanted])
        await self._run(wanted)

    def _passes(self, record: Record) -> bool:
        filters = self._trigger.filters
        return not filters or any(
            EventPattern.parse(each).matches(self._kind.filtered(record)) for each in filters
        )

    async def _run(self, batch: list[WaitingRecord]) -> None:
        """Try a batch until it has been processed or given up."""
        pause, tries = FIRST_RETRY_SECONDS, 0
        while batch:
            if self._is_too_old(batch[0]):
                await self._give_up(batch[:1], TOO_OLD, tries, None)
                batch = batch[1:]
                continue
            invocation, reason = await self._invoke(batch)
            tries += 1
            done = self._done(batch, invocation)
            await self._settle(batch[:done])
            batch = batch[done:]
            if not batch:
                return
            logger.warning("batch failed", extra=self._about(reason))
            if self._trigger.bisects and len(batch) > 1:
                middle = len(batch) // 2
                await self._run(batch[:middle])
                await self._run(batch[middle:])
                return
            if self._trigger.retries is not None and tries > self._trigger.retries:
                await self._give_up(batch, RETRIES_OVER, tries, invocation)
                return
            self._pausing = True
            try:
                await CLOCK.sleep(pause * self._time_scale)
            finally:
                self._pausing = False
            pause = min(pause * 2, LAST_RETRY_SECONDS)

    async def _invoke(self, batch: Sequence[WaitingRecord]) -> tuple[Invocation | None, str]:
        """Invoke the function, in the trace of the first record that has one. A stream ends the
        chain in which invocations are counted: AWS finds no recursion through it. Returns the
        invocation, or None if it could not be made, and the reason to log if records failed."""
        payload = payload_of((each.record for each in batch), self._trigger.stream_arn)
        headers = (each.message["Attributes"].get("AWSTraceHeader") for each in batch)
        cause = next(filter(None, headers), None)
        try:
            invocation = await self._invoker.invoke(
                self._trigger.function,
                payload,
                trace_header=without_lineage(cause) if cause else None,
            )
        except LampworkError as error:
            return None, str(error)
        return invocation, invocation.failure or "some of its records failed"

    def _done(self, batch: Sequence[WaitingRecord], invocation: Invocation | None) -> int:
        """How many records at the start of a batch have been processed."""
        if invocation is None or invocation.function_error is not None:
            return 0
        if self._trigger.reports_item_failures:
            return processed_before_failure([each.number for each in batch], invocation.payload)
        return len(batch)

    def _is_too_old(self, waiting: WaitingRecord) -> bool:
        limit = self._trigger.maximum_age_seconds
        return limit is not None and CLOCK.time() - waiting.arrived_at > limit

    async def _give_up(
        self, batch: Sequence[WaitingRecord], condition: str, tries: int, last: Invocation | None
    ) -> None:
        logger.error("records of a stream were given up", extra=self._about(condition))
        if destination := self._trigger.on_failure:
            record = self._failure(batch, condition, tries, last)
            await self._outlet.send_record(destination, record)
        await self._settle(batch)

    def _failure(
        self, batch: Sequence[WaitingRecord], condition: str, tries: int, last: Invocation | None
    ) -> dict[str, Any]:
        """https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html

        LocalStack recorded on AWS that a batch which was too old at once counts as tried once:
        test_lambda_integration_kinesis.py, test_kinesis_maximum_record_age_exceeded.
        """
        record: dict[str, Any] = {
            "version": "1.0",
            "timestamp": iso_milliseconds(),
            "requestContext": {
                "requestId": last.request_id if last else str(uuid.uuid4()),
                "functionArn": self._function.arn,
                "condition": condition,
                "approximateInvokeCount": max(tries, 1),
            },
            self._kind.batch_info: {
                "shardId": self._shard,
                "startSequenceNumber": batch[0].number,
                "endSequenceNumber": batch[-1].number,
                "approximateArrivalOfFirstRecord": iso_milliseconds(batch[0].arrived_at),
                "approximateArrivalOfLastRecord": iso_milliseconds(batch[-1].arrived_at),
                "batchSize": len(batch),
                "streamArn": self._trigger.stream_arn,
            },
        }
        if last is not None:
            context = {"statusCode": 200, "executedVersion": "$LATEST"}
            record["responseContext"] = {**context, "functionError": last.function_error}
        return record

    async def _settle(self, done: Sequence[WaitingRecord]) -> None:
        await self._client.delete(self._trigger.queue, [each.message for each in done])
        settled = {each.sequence for each in done}
        self._under_way = [each for each in self._under_way if each.sequence not in settled]

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    def _about(self, reason: str) -> dict[str, str]:
        return {"stream": self._trigger.stream, "reason": reason}


def kind_of(trigger: StreamTrigger) -> StreamKind:
    return KINESIS if ":kinesis:" in trigger.stream_arn else DYNAMODB
