import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from lampwork.events.dead_letters import Attributes
from lampwork.triggers.asynchronous.invocations import SUCCESS, EventInvocations, Outlet

logger = logging.getLogger(__name__)


class Destinations(Outlet):
    """Sends to functions, and to the queues, topics and event buses of an AWS endpoint."""

    def __init__(self, endpoint_url: str, region: str, events: EventInvocations) -> None:
        self._endpoint_url = endpoint_url
        self._region = region
        self._events = events
        self._clients: dict[str, Any] = {}

    async def send_record(self, destination: str, record: Mapping[str, Any]) -> None:
        text = json.dumps(record)
        match destination.split(":")[2]:
            case "lambda":
                self._events.submit(destination, text.encode())
            case "sqs":
                await self._send(destination, lambda: self._send_message(destination, text))
            case "sns":
                await self._send(destination, lambda: self._publish(destination, text))
            case "events":
                await self._send(destination, lambda: self._put_event(destination, record))
            case service:
                logger.warning("no destination here", extra={"service": service})

    async def send_dead_letter(self, queue: str, text: str, attributes: Attributes) -> None:
        if queue.split(":")[2] == "sns":
            await self._send(queue, lambda: self._publish(queue, text, attributes))
        else:
            await self._send(queue, lambda: self._send_message(queue, text, attributes))

    async def _send(self, destination: str, call: Callable[[], object]) -> None:
        # Imported here because it comes with boto3, which a project without destinations need not
        # load.
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            await asyncio.to_thread(call)
        except (BotoCoreError, ClientError) as error:
            logger.error(
                "a destination cannot be reached",
                extra={"destination": destination, "reason": str(error)},
            )

    def _send_message(self, arn: str, text: str, attributes: Any = None) -> None:
        sqs = self._client("sqs")
        url = sqs.get_queue_url(QueueName=arn.rpartition(":")[2])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=text, MessageAttributes=attributes or {})

    def _publish(self, arn: str, text: str, attributes: Any = None) -> None:
        self._client("sns").publish(TopicArn=arn, Message=text, MessageAttributes=attributes or {})

    def _put_event(self, arn: str, record: Mapping[str, Any]) -> None:
        succeeded = record["requestContext"]["condition"] == SUCCESS
        entry = {
            "Source": "lambda",
            "DetailType": f"Lambda Function Invocation Result - {_outcome(succeeded)}",
            "Resources": [arn, record["requestContext"]["functionArn"]],
            "Detail": json.dumps(record),
            "EventBusName": arn.rpartition("/")[2],
        }
        self._client("events").put_events(Entries=[entry])

    def _client(self, service: str) -> Any:
        from localstack_client.session import Session

        if service not in self._clients:
            host = self._endpoint_url.partition("://")[2]
            session = Session(localstack_host=host, region_name=self._region)
            self._clients[service] = session.client(service)
        return self._clients[service]


def _outcome(succeeded: bool) -> str:
    return "Success" if succeeded else "Failure"
