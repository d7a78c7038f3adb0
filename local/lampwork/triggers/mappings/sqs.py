import hashlib
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from lampwork.errors import StartError
from lampwork.events.sqs import Message, payload_of, record_of
from lampwork.invocation.port import Invoker
from lampwork.metrics.queues import watch_queues
from lampwork.stack.entry_points import EntryPoint
from lampwork.stack.function_names import FunctionNames
from lampwork.stack.model import ACCOUNT_ID, QueueTrigger, Stack
from lampwork.template.resource import Template
from lampwork.template.triggers import read_queue_triggers
from lampwork.triggers.mappings.reading import ReadingSource
from lampwork.triggers.mappings.sqs_client import SqsClient, SqsError
from lampwork.triggers.mappings.sqs_poller import QueuePoller
from lampwork.triggers.samples import REGION, Option, Sample, Service
from lampwork.triggers.source import (
    RunningSource,
    Source,
    SourceContext,
    Unserved,
    nothing_to_wait_for,
)

NOT_SERVED: Final = (
    "The template's queues are not served: add 'aws' to services, or set AWS_ENDPOINT_URL_SQS."
)


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


class QueueTriggers(ReadingSource[QueueTrigger]):
    """Creates a stack's queues at an SQS endpoint and delivers their messages as Lambda does.

    SQS itself does the rest: visibility, order within groups, receive counts, dead letters.
    """

    def __init__(
        self,
        invoker: Invoker,
        endpoint_url: str,
        region: str,
        until_ready: Callable[[], Awaitable[None]] = nothing_to_wait_for,
    ) -> None:
        super().__init__(QueueTrigger, SqsClient(endpoint_url, region), until_ready)
        self._stack = Stack(functions={})
        self._invoker = invoker
        self._endpoint_url = endpoint_url

    async def _prepare(self, stack: Stack) -> None:
        """Create the queues.

        Raises:
            StartError: the endpoint does not answer, or refuses a queue.
        """
        self._stack = stack
        if not stack.queues and not stack.triggers_of(QueueTrigger):
            return
        try:
            await self._connect()
            await self._restore()
        except SqsError as error:
            raise StartError(
                f"The queues cannot be created at {self._endpoint_url}: {error}"
            ) from error

    def _open(self, trigger: QueueTrigger, stack: Stack) -> QueuePoller:
        poller = QueuePoller(trigger, self._invoker, self._client, self._restore)
        poller.start()
        return poller

    async def _restore(self) -> None:
        await self._client.create(self._stack.queues)
