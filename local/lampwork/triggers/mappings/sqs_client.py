import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

from lampwork.companions.aws import CREDENTIALS
from lampwork.events.sqs import Message
from lampwork.stack.model import Queue, parted_attributes

T = TypeVar("T")

MAX_THREADS: Final = 32
# Longer than any long poll, but short: a stop waits for the current request.
READ_TIMEOUT_SECONDS: Final = 5
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_BATCH: Final = 10
# Twelve hours, less what has passed since the message was sent.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
LONGEST_AGAIN_SECONDS: Final = 11 * 60 * 60


class SqsError(Exception):
    """The endpoint does not answer, or refuses a request."""


class SqsClient:
    """boto3's SQS client in its own threads, for any endpoint. Its methods take queues by name, and
    raise `SqsError`."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        self._endpoint_url = endpoint_url
        self._region = region
        self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="sqs")
        self._sqs: Any = None
        self._urls: dict[str, str] = {}

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._sqs = await loop.run_in_executor(self._threads, self._connect)

    async def close(self) -> None:
        """Wait for current calls and close the connections."""
        await asyncio.to_thread(self._threads.shutdown)
        if self._sqs is not None:
            self._sqs.close()

    async def create(self, queues: Iterable[Queue]) -> None:
        """Create the queues that do not exist yet, and set the attributes of all of them."""
        await self._in_thread(partial(self._create, tuple(queues)))

    async def receive(self, queue: str, *, limit: int, wait_seconds: int) -> list[Message]:
        """At most ten messages of a queue; empty if none comes within `wait_seconds`."""
        call = partial(
            self._sqs.receive_message,
            QueueUrl=await self._url(queue),
            MaxNumberOfMessages=min(limit, MAX_BATCH),
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[Message] = (await self._in_thread(call)).get("Messages", [])
        return messages

    async def delete(self, queue: str, messages: Sequence[Message]) -> None:
        for entries in _entries(messages):
            call = partial(
                self._sqs.delete_message_batch, QueueUrl=await self._url(queue), Entries=entries
            )
            await self._in_thread(call)

    async def put_back(self, queue: str, messages: Sequence[Message]) -> None:
        """Make received messages visible again immediately."""
        for entries in _entries(messages, VisibilityTimeout=0):
            call = partial(
                self._sqs.change_message_visibility_batch,
                QueueUrl=await self._url(queue),
                Entries=entries,
            )
            await self._in_thread(call)

    async def still_there(self, queue: str, messages: Sequence[Message]) -> list[Message]:
        """Those of these received messages that the queue still has; their time begins anew."""
        if not messages:
            return []
        there: set[str] = set()
        seconds = min(await self.visibility_seconds(queue), LONGEST_AGAIN_SECONDS)
        for entries in _entries(messages, VisibilityTimeout=seconds):
            call = partial(
                self._sqs.change_message_visibility_batch,
                QueueUrl=await self._url(queue),
                Entries=entries,
            )
            kept = {each["Id"] for each in (await self._in_thread(call)).get("Successful", ())}
            there |= {each["ReceiptHandle"] for each in entries if each["Id"] in kept}
        return [each for each in messages if each["ReceiptHandle"] in there]

    async def visibility_seconds(self, queue: str) -> int:
        """How many seconds a received message of a queue stays hidden."""
        call = partial(
            self._sqs.get_queue_attributes,
            QueueUrl=await self._url(queue),
            AttributeNames=["VisibilityTimeout"],
        )
        return int((await self._in_thread(call))["Attributes"]["VisibilityTimeout"])

    async def _in_thread(self, call: Callable[[], T]) -> T:
        # Imported here because it comes with boto3: see _connect.
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except (BotoCoreError, ClientError) as error:
            raise SqsError(str(error)) from error

    def _connect(self) -> Any:
        # Imported here because boto3 takes 0.4 s to load, and a stack without queues need not wait.
        from boto3.session import Session
        from botocore.config import Config

        session = Session(
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            region_name=self._region,
        )
        config = Config(
            connect_timeout=2,
            read_timeout=READ_TIMEOUT_SECONDS,
            max_pool_connections=MAX_THREADS,
            retries={"total_max_attempts": 1},
        )
        return session.client("sqs", endpoint_url=self._endpoint_url, config=config)

    async def _url(self, queue: str) -> str:
        if queue not in self._urls:
            answer = await self._in_thread(partial(self._sqs.get_queue_url, QueueName=queue))
            self._urls[queue] = answer["QueueUrl"]
        return self._urls[queue]

    def _create(self, queues: Sequence[Queue]) -> None:
        urls = {queue.name: self._create_one(queue) for queue in queues}
        # Set attributes after all queues exist: a redrive policy may name any of them.
        for queue in queues:
            _, attributes = parted_attributes(queue.attributes)
            if "RedrivePolicy" in attributes:
                attributes["RedrivePolicy"] = self._redrive_policy(attributes["RedrivePolicy"])
            if attributes:
                self._sqs.set_queue_attributes(QueueUrl=urls[queue.name], Attributes=attributes)
        self._urls.update(urls)

    def _create_one(self, queue: Queue) -> str:
        attributes, _ = parted_attributes(queue.attributes)
        answer = self._sqs.create_queue(QueueName=queue.name, Attributes=attributes)
        return str(answer["QueueUrl"])

    def _redrive_policy(self, text: str) -> str:
        """The policy with the dead-letter queue's ARN at this endpoint, which may belong to another
        account."""
        policy = json.loads(text)
        name = policy["deadLetterTargetArn"].rpartition(":")[2]
        url = self._sqs.get_queue_url(QueueName=name)["QueueUrl"]
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return json.dumps({**policy, "deadLetterTargetArn": answer["Attributes"]["QueueArn"]})


def _entries(messages: Sequence[Message], **values: int) -> list[list[dict[str, Any]]]:
    """The messages as the entries of batch requests."""
    entries = [
        {"Id": str(index), "ReceiptHandle": message["ReceiptHandle"], **values}
        for index, message in enumerate(messages)
    ]
    return [entries[start : start + MAX_BATCH] for start in range(0, len(entries), MAX_BATCH)]
