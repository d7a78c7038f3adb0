import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is in a queue, seen without being received.

    `receive_count` is how often it has been received so far. One that is `hidden` cannot be
    received now: somebody works on it or it is delayed.
    """

    id: str
    body: str
    receive_count: int
    hidden: bool
    group: str | None = None
    attributes: dict[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """
        Raises:
            ValueError: the body is not JSON.
        """
        return json.loads(self.body)


class Queue:
    """A queue of the stack. `url` and `name` are as the functions know them."""

    def __init__(self, sqs: Any, url: str, peek: Callable[[str], list[dict[str, Any]]]) -> None:
        self.url = url
        self.name = url.rpartition("/")[2]
        self._sqs = sqs
        self._peek = peek

    def send(
        self,
        body: Any,
        *,
        group: str = "test",
        delay_seconds: int | None = None,
        attributes: dict[str, str] | None = None,
    ) -> str:
        """Send a message and return its id. A body that is no string is sent as JSON.

        `group` is for FIFO queues alone. `attributes` are message attributes.
        """
        options: dict[str, Any] = {}
        if delay_seconds is not None:
            options["DelaySeconds"] = delay_seconds
        if attributes:
            options["MessageAttributes"] = {
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
            }
        if self.name.endswith(".fifo"):
            options["MessageGroupId"] = group
        text = body if isinstance(body, str) else json.dumps(body)
        answer = self._sqs.send_message(QueueUrl=self.url, MessageBody=text, **options)
        return str(answer["MessageId"])

    def messages(self) -> list[Message]:
        """All messages in the queue, the oldest first. None of them is received."""
        return [Message(**each) for each in self._peek(self.name)]

    def dead_letters(self) -> list[Message]:
        """The messages in its dead-letter queue.

        Raises:
            LookupError: it has none.
        """
        answer = self._sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["RedrivePolicy"])
        policy = answer.get("Attributes", {}).get("RedrivePolicy")
        if policy is None:
            raise LookupError(f"{self.name} has no RedrivePolicy, so it has no dead-letter queue.")
        name = json.loads(policy)["deadLetterTargetArn"].rpartition(":")[2]
        return [Message(**each) for each in self._peek(name)]


class Bus:
    """An event bus of the stack."""

    def __init__(self, events: Any, name: str) -> None:
        self.name = name
        self._events = events

    def put(self, source: str, detail_type: str, detail: Any, **more: Any) -> str:
        """Put an event and return its id. `more` are further fields of PutEvents, as Resources."""
        entry = {
            "EventBusName": self.name,
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
            **more,
        }
        answer = self._events.put_events(Entries=[entry])["Entries"][0]
        if "ErrorCode" in answer:
            raise ValueError(f"{answer['ErrorCode']}: {answer['ErrorMessage']}")
        return str(answer["EventId"])
