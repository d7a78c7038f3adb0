import json
import re
import time
import uuid
from collections.abc import Iterable
from typing import Any, Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from lampwork.cloud.moto_seam.sqs import (
    Message,
    Queue,
    find_queue,
    named_queue,
    queues,
    renewed,
    source_arn,
    take_out,
)

REGION: Final = re.compile(r"Credential=[^/]+/\d+/([^/]+)/sqs/")
JSON: Final = "application/x-amz-json-1.0"


class Refused(Exception):
    """SQS answers with status 400. The arguments are the error's code and text."""


class MoveTasks:
    """SQS's tasks that move dead letters back to their queues. moto lacks them.

    Here a task is complete before the request that started it is answered.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html
    """

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._done: list[dict[str, Any]] = []
        self._operations = {
            "AmazonSQS.StartMessageMoveTask": self._start,
            "AmazonSQS.ListMessageMoveTasks": self._list,
            "AmazonSQS.CancelMessageMoveTask": self._cancel,
        }

    def __call__(self, environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        operation = self._operations.get(environ.get("HTTP_X_AMZ_TARGET", ""))
        signed_for = REGION.search(environ.get("HTTP_AUTHORIZATION", ""))
        if operation is None or signed_for is None:
            return self._app(environ, start)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            status, answer = "200 OK", operation(json.loads(body), signed_for[1])
        except Refused as error:
            code, text = error.args
            status, answer = "400 Bad Request", {"__type": code, "message": text}
        content = json.dumps(answer).encode()
        start(status, [("Content-Type", JSON), ("Content-Length", str(len(content)))])
        return [content]

    def _start(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        source = _queue(asked["SourceArn"], region)
        if not _sources(source, region):
            raise Refused("InvalidParameterValue", "Source queue must be configured as a DLQ.")
        destination_arn = asked.get("DestinationArn")
        moved = 0
        for message in list(source.messages):
            destination = _queue(destination_arn or _origin(message, source, region), region)
            take_out(source, message)
            destination.add_message(renewed(message))
            moved += 1
        task = {
            "TaskHandle": str(uuid.uuid4()),
            "Status": "COMPLETED",
            "SourceArn": source.queue_arn,
            **({"DestinationArn": destination_arn} if destination_arn else {}),
            "ApproximateNumberOfMessagesMoved": moved,
            "ApproximateNumberOfMessagesToMove": moved,
            "StartedTimestamp": int(time.time() * 1000),
        }
        self._done.insert(0, task)
        return {"TaskHandle": task["TaskHandle"]}

    def _list(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        of_source = [each for each in self._done if each["SourceArn"] == asked["SourceArn"]]
        shown = of_source[: asked.get("MaxResults", 1)]
        return {"Results": [{k: v for k, v in each.items() if k != "TaskHandle"} for each in shown]}

    def _cancel(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        raise Refused("ResourceNotFoundException", "The task is over.")


def _queue(arn: str, region: str) -> Queue:
    name = arn.rpartition(":")[2]
    if find_queue(region, name) is None:
        raise Refused("ResourceNotFoundException", f"There is no queue {arn}.")
    return named_queue(region, name)


def _sources(dead: Queue, region: str) -> list[Queue]:
    return [queue for queue in queues(region) if queue.dead_letter_queue is dead]


def _origin(message: Message, dead: Queue, region: str) -> str:
    """The ARN of the queue from which a dead letter came.

    A message that was sent directly to the dead-letter queue goes to the first queue that uses it.
    """
    arn = source_arn(message)
    return arn if arn not in (None, dead.queue_arn) else _sources(dead, region)[0].queue_arn
