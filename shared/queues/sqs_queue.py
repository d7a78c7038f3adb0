import asyncio
from collections.abc import Callable
from functools import partial
from math import ceil
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from dramatiq import Message

from shared import settings
from shared.clients.sigv4 import named_region
from shared.dependencies import dependency
from shared.errors import SettingsError
from shared.queues.doorbells import (
    DELIVER,
    GENERATE,
    SWEEP,
    TICK,
    WEBHOOKS,
    MessageQueue,
    QueueUnavailable,
)
from shared.settings import MAX_DELAY_SECONDS

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


def from_settings(_url: str) -> "SQSQueue":
    """A queue over the SQS queues in the settings. A function needs only some of them."""
    configured = settings.queue()
    named = {
        GENERATE: configured.generate_queue_url,
        DELIVER: configured.deliver_queue_url,
        SWEEP: configured.sweep_queue_url,
        TICK: configured.tick_queue_url,
        WEBHOOKS: configured.webhook_queue_url,
    }
    config = Config(connect_timeout=2, read_timeout=2, retries={"total_max_attempts": 2})
    return SQSQueue(boto3.client("sqs", region_name=named_region(), config=config), named)


class SQSQueue(MessageQueue):
    """Sends Dramatiq's own messages as text, so that workers and Lambda read the same messages."""

    def __init__(self, client: "SQSClient", urls: dict[str, str | None]) -> None:
        self._client = client
        self._urls = urls

    async def send(self, sent: Message[Any], delay_seconds: float = 0) -> None:
        options = _group(sent) if sent.queue_name == DELIVER else _delay(delay_seconds)
        send = partial(
            self._client.send_message,
            QueueUrl=self._url(sent.queue_name),
            MessageBody=sent.encode().decode(),
            **options,
        )
        await _call(send)

    async def check(self) -> None:
        await _call(partial(self._client.get_queue_attributes, QueueUrl=self._url(GENERATE)))

    def _url(self, queue_name: str) -> str:
        url = self._urls[queue_name]
        if url is None:
            raise SettingsError(f"The URL of the SQS queue {queue_name!r} is not set.")
        return url


async def _call(operation: Callable[[], object]) -> None:
    try:
        async with dependency("queue").asked():
            await asyncio.to_thread(operation)
    except (BotoCoreError, ClientError, TimeoutError) as error:
        raise QueueUnavailable(str(error)) from error


def _group(sent: Message[Any]) -> dict[str, Any]:
    """Let one deliverer work on a task at a time: the queue is FIFO, with the task as the group.

    The deduplication id is random, because a later wake-up is never a copy of an earlier one.
    """
    return {"MessageGroupId": sent.kwargs["task_id"], "MessageDeduplicationId": str(uuid4())}


def _delay(seconds: float) -> dict[str, Any]:
    return {"DelaySeconds": min(ceil(max(seconds, 0)), MAX_DELAY_SECONDS)}
