import asyncio
import json
import logging
from contextlib import suppress
from functools import partial
from typing import Final

from lampwork.model import FUNCTION_EVENTS_QUEUE
from lampwork.triggers.event_invocations import EventInvocations
from lampwork.triggers.sqs_client import SqsClient, SqsError
from lampwork.triggers.sqs_events import Message

logger = logging.getLogger(__name__)

LONG_POLL_SECONDS: Final = 3
BATCH: Final = 10
RETRY_SECONDS: Final = 1.0


class FunctionEvents:
    """Invokes functions with what SNS, S3 and EventBridge of the embedded AWS have for them.

    An event leaves its queue when the last try of its function is over: one that a stop or a crash
    comes before is delivered again.
    """

    def __init__(self, events: EventInvocations, endpoint_url: str, region: str) -> None:
        self._events = events
        self._client = SqsClient(endpoint_url, region)
        self._receiving: asyncio.Task[None] | None = None

    def start(self) -> None:
        if self._receiving is None:
            self._receiving = asyncio.create_task(self._receive())

    async def stop(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.wait([self._receiving])
        await self._client.close()

    async def _receive(self) -> None:
        await self._client.connect()
        while True:
            try:
                for message in await self._client.receive(
                    FUNCTION_EVENTS_QUEUE, limit=BATCH, wait_seconds=LONG_POLL_SECONDS
                ):
                    self._deliver(message)
            except SqsError as error:
                logger.warning("events cannot be received", extra={"reason": str(error)})
                await asyncio.sleep(RETRY_SECONDS)

    def _deliver(self, message: Message) -> None:
        event = json.loads(message["Body"])
        self._events.submit(
            event["function"],
            event["payload"].encode(),
            request_id=message["MessageId"],
            finished=partial(self._delete, message),
        )

    async def _delete(self, message: Message) -> None:
        with suppress(SqsError):  # it is delivered once more after the next start
            await self._client.delete(FUNCTION_EVENTS_QUEUE, [message])
