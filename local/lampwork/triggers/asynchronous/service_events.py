import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Final

from lampwork.events.dead_letters import function_not_found, text_attributes
from lampwork.events.sqs import Message
from lampwork.invocation.cause import Cause
from lampwork.stack.model import FUNCTION_EVENTS_QUEUE, Stack
from lampwork.triggers.asynchronous.invocations import EventInvocations
from lampwork.triggers.mappings.sqs_client import SqsClient, SqsError
from lampwork.triggers.source import (
    ReadQueue,
    RunningSource,
    Source,
    SourceContext,
    nothing_to_wait_for,
)

logger = logging.getLogger(__name__)

LONG_POLL_SECONDS: Final = 3
BATCH: Final = 10
RETRY_SECONDS: Final = 1.0


class ServiceEventSource(Source):
    """Delivers the events of all services of the embedded AWS. The source of each service, such as
    topics, lists its own entry points."""

    def open(self, context: SourceContext) -> RunningSource | None:
        if context.aws is None:
            return None
        return ServiceEvents(context.events, context.aws.url, context.region, context.aws_is_used)


class ServiceEvents(RunningSource):
    """Invokes functions with the events that SNS, S3 and EventBridge of the embedded AWS have put
    into a queue for them.

    An event is deleted from the queue after the function's last try. If a stop or a crash comes
    first, the event is delivered again.

    `until_used` waits until the embedded AWS is used: not only the template's resources, but also
    those that a program makes there, may invoke functions.
    """

    def __init__(
        self,
        events: EventInvocations,
        endpoint_url: str,
        region: str,
        until_used: Callable[[], Awaitable[None]] = nothing_to_wait_for,
    ) -> None:
        self._events = events
        self._until_used = until_used
        self._client = SqsClient(endpoint_url, region)
        self._beginnings = 0
        self._receiving: asyncio.Task[None] | None = None

    async def start(self, stack: Stack) -> None:
        self._receiving = asyncio.create_task(self._receive())

    async def update(self, stack: Stack) -> None:
        pass

    async def begin_anew(self) -> None:
        self._beginnings += 1  # a receive that is under way may still bring what is gone

    def read_queues(self) -> Iterator[ReadQueue]:
        # The events of this queue have its messages' ids.
        yield ReadQueue(FUNCTION_EVENTS_QUEUE, dict.fromkeys(self._events.resting))

    async def stop(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.wait([self._receiving])
        await self._client.close()

    async def _receive(self) -> None:
        await self._until_used()
        await self._client.connect()
        while True:
            try:
                beginnings = self._beginnings
                messages = await self._client.receive(
                    FUNCTION_EVENTS_QUEUE, limit=BATCH, wait_seconds=LONG_POLL_SECONDS
                )
                if beginnings != self._beginnings:
                    messages = await self._client.still_there(FUNCTION_EVENTS_QUEUE, messages)
                for message in messages:
                    await self._deliver(message)
            except SqsError as error:
                logger.warning("events cannot be received", extra={"reason": str(error)})
                await asyncio.sleep(RETRY_SECONDS)

    async def _deliver(self, message: Message) -> None:
        event = json.loads(message["Body"])
        if not self._events.knows(event["function"]):
            await self._give_up(event)
            await self._delete(message)
            return
        self._events.submit(
            event["function"],
            event["payload"].encode(),
            request_id=message["MessageId"],
            trace_header=event.get("trace") or None,
            cause=_cause(event.get("rule")),
            finished=partial(self._delete, message),
        )

    async def _give_up(self, event: Mapping[str, str]) -> None:
        function = event["function"]
        logger.error("an event is for no function here", extra={"function": function})
        if dead_letter := event.get("dead_letter"):
            attributes = text_attributes(function_not_found(event["rule"], function))
            await self._events.outlet.send_dead_letter(dead_letter, event["payload"], attributes)

    async def _delete(self, message: Message) -> None:
        with suppress(SqsError):  # not deleted: it will be delivered again after the next start
            await self._client.delete(FUNCTION_EVENTS_QUEUE, [message])


def _cause(rule: str | None) -> Cause | None:
    """What invokes a function for this rule or schedule, by its ARN; None for other events."""
    if not rule:
        return None
    kind = "schedule" if ":schedule/" in rule else "eventbridge"
    return Cause(kind, rule.rpartition("/")[2])
