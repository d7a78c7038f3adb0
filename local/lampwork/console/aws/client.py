"""What the console asks of the embedded AWS. It never asks any other."""

import asyncio
import json
import threading
from abc import abstractmethod
from collections.abc import Callable
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

from lampwork.console.asking import Ask, Refused
from lampwork.console.html import Html, e
from lampwork.console.room import Room
from lampwork.console.subject import Subject
from lampwork.errors import StartError
from lampwork.http.internal_paths import QUEUES
from lampwork.http.responses import Response

NONE_HERE: Final = "This project runs without the embedded AWS, and the console asks no other."
NOT_USED: Final = "Nothing has used the embedded AWS yet, so it has not started."
FAILED: Final = "The embedded AWS fails at this; the terminal says why."
ANSWER_SECONDS: Final = 15

Clients = Callable[[str], Any]
"""A boto3 client by the name of its service, such as "sqs"."""

Answer = TypeVar("Answer")


class Aws:
    """The embedded AWS. boto3 is loaded with the first question, in a thread, as all else."""

    def __init__(self, subject: Subject) -> None:
        self._server = subject.aws
        self.region = subject.region
        self._has_loaded = False
        self._making = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._session: Any = None

    @property
    def why_empty(self) -> str | None:
        """Why there is nothing to see; None if there may be something."""
        if self._server is None:
            return NONE_HERE
        return None if self._server.has_started else NOT_USED

    async def ask(self, work: Callable[[Clients], Answer]) -> Answer:
        """What `work` returns, which runs in a thread.

        Raises:
            Refused: AWS refuses what it asks, or does not answer.
        """
        await self._until_loaded()
        return await asyncio.to_thread(self._run, work)

    async def peek(self, queue: str, first: int, most: int) -> dict[str, Any]:
        """Messages of a queue, which stay as they are: `messages`, and how many there are in
        `total`."""
        query = urlencode({"peek": queue, "region": self.region, "first": first, "most": most})
        if self._server is None:
            raise Refused(NONE_HERE)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reader, writer = await asyncio.open_connection(*self._server.address)
                try:
                    writer.write(f"GET {QUEUES}?{query} HTTP/1.0\r\n\r\n".encode())
                    answer = await reader.read()
                finally:
                    writer.close()
            found: dict[str, Any] | None = json.loads(answer.partition(b"\r\n\r\n")[2])
        except (OSError, TimeoutError, ValueError) as error:
            raise Refused("The embedded AWS does not answer.") from error
        if found is None:
            raise Refused(f"There is no queue {queue!r}.")
        return found

    async def _until_loaded(self) -> None:
        if self._server is None:
            raise Refused(NONE_HERE)
        if not self._has_loaded:
            try:
                await self._server.loaded()
            except StartError as error:
                raise Refused(str(error)) from error
            self._has_loaded = True

    def _run(self, work: Callable[[Clients], Answer]) -> Answer:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return work(self._client)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise Refused(FAILED) from error
            told = error.response.get("Error", {})
            raise Refused(f"{told.get('Code')}: {told.get('Message')}") from error
        except (BotoCoreError, UnicodeError) as error:  # half a character is no UTF-8
            raise Refused(str(error)) from error

    def _client(self, service: str) -> Any:
        from boto3.session import Session
        from botocore.config import Config

        with self._making:
            if self._session is None:
                # A key that the embedded AWS knows, whatever the variables of this process name.
                self._session = Session("test", "test", region_name=self.region)
            if service not in self._clients and self._server is not None:
                self._clients[service] = self._session.client(
                    service,
                    endpoint_url=self._server.url,
                    config=Config(
                        inject_host_prefix=False,
                        read_timeout=ANSWER_SECONDS,
                        retries={"total_max_attempts": 1},
                        s3={"addressing_style": "path"},
                    ),
                )
            return self._clients[service]


class AwsRoom(Room):
    """A room over the embedded AWS: before that has started, there is nothing in it."""

    def __init__(self, subject: Subject, aws: Aws) -> None:
        self._subject = subject
        self._aws = aws

    async def show(self, ask: Ask) -> Html | Response:
        if why := self._aws.why_empty:
            return e("p", why, class_="empty")
        return await self._found(ask)

    @abstractmethod
    async def _found(self, ask: Ask) -> Html | Response:
        """The page's main part, or a download."""


def last(arn: str) -> str:
    """The name at the end of an ARN or of a queue's address."""
    return arn.replace("/", ":").rpartition(":")[2]
