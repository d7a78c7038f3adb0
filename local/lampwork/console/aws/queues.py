import json
import uuid
from datetime import UTC, datetime
from typing import Any, ClassVar, Final

from lampwork.console.asking import Ask, Done, Refused, address, pretty, pretty_text
from lampwork.console.aws.client import AwsRoom, Clients, last
from lampwork.console.html import Html, details, e, facts, joined, link, live, pre, table
from lampwork.console.layout import area, form, hidden, labelled, pages

AT_ONCE: Final = 20
MOST_QUEUES: Final = 200
COUNTS: Final = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


class Queues(AwsRoom):
    """Queues: what waits, and ways to send, purge and redrive."""

    name: ClassVar[str] = "queues"
    title: ClassVar[str] = "Queues"
    group: ClassVar[str] = "AWS"

    async def _found(self, ask: Ask) -> Html:
        if queue := ask.query.get("queue"):
            return await self._one(queue, ask.number("first", 0, 10**7))
        rows = [
            (
                link(name, address(self.name, queue=name)),
                *(values[count] for count in COUNTS),
                _dead_letters(values) or "—",
            )
            for name, values in await self._aws.ask(_all)
        ]
        heads = ("Queue", "Waiting", "In flight", "Delayed", "Dead letters go to")
        return live("queues", table("Queues", heads, rows))

    async def act(self, ask: Ask) -> Done:
        queue = ask.text("queue")
        match ask.form.get("do"):
            case "send":
                await self._aws.ask(lambda clients: _send(clients, ask))
                said = f"Sent a message to {queue}."
            case "purge":
                await self._aws.ask(
                    lambda clients: clients("sqs").purge_queue(QueueUrl=_url(clients, queue))
                )
                said = f"Purged {queue}: all its messages are gone."
            case "redrive":
                moved = await self._aws.ask(lambda clients: _redrive(clients, queue))
                said = f"Messages that went back to where they came from: {moved}."
            case _:
                raise Refused("There is no such action.")
        return Done(said, address(self.name, queue=queue))

    async def _one(self, queue: str, first: int) -> Html:
        values = await self._aws.ask(lambda clients: _attributes(clients, _url(clients, queue)))
        peeked = await self._aws.peek(queue, first, AT_ONCE)
        waiting, flying, delayed = (values[count] for count in COUNTS)
        total, later, before = peeked["total"], first + AT_ONCE, max(0, first - AT_ONCE)
        is_fifo = queue.endswith(".fifo")
        return joined(
            [
                e("h2", queue),
                live(
                    "messages",
                    facts((("Waiting", waiting), ("In flight", flying), ("Delayed", delayed))),
                    [_message(each) for each in peeked["messages"]]
                    or e("p", "No message is in it.", class_="empty"),
                    pages(
                        before=(
                            link("Before", address(self.name, queue=queue, first=before))
                            if first
                            else None
                        ),
                        after=(
                            link("Further", address(self.name, queue=queue, first=later))
                            if later < total
                            else None
                        ),
                    ),
                ),
                e(
                    "section",
                    e("h2", "Send a message"),
                    form(
                        self.name,
                        "send",
                        *hidden(queue=queue),
                        area("Body", "body"),
                        labelled("Message group", "group", "console") if is_fifo else None,
                        submit="Send",
                    ),
                ),
                e(
                    "section",
                    e("h2", "Change the queue"),
                    details(
                        "Purge…",
                        e("p", "All messages of this queue are deleted, for ever."),
                        form(self.name, "purge", *hidden(queue=queue), submit=f"Purge {queue}"),
                        class_="card",
                    ),
                    details(
                        "Redrive…",
                        e("p", "The dead letters in this queue go back to their queues."),
                        form(self.name, "redrive", *hidden(queue=queue), submit=f"Redrive {queue}"),
                        class_="card",
                    ),
                ),
                e("p", link("All queues", address(self.name))),
            ]
        )


def _message(message: dict[str, Any]) -> Html:
    sent = datetime.fromtimestamp(message["sent_ms"] / 1000, UTC)
    more = message["attributes"]
    summary = (
        f"{message['state']}, sent {sent:%Y-%m-%d %H:%M:%S} UTC,"
        f" received {message['received']} times"
    )
    return details(
        [summary, " ", e("code", message["body"][:80])],
        e("p", "Id ", e("code", message["id"])),
        pre(pretty_text(message["body"]), f"Body of {message['id']}"),
        pre(pretty(more), f"Attributes of {message['id']}") if more else None,
        class_="card",
        id=f"message-{message['id']}",
    )


def _all(clients: Clients) -> list[tuple[str, dict[str, str]]]:
    urls = clients("sqs").list_queues(MaxResults=MOST_QUEUES).get("QueueUrls", [])
    return [(last(url), _attributes(clients, url)) for url in urls]


def _attributes(clients: Clients, url: str) -> dict[str, str]:
    answer = clients("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
    values: dict[str, str] = answer["Attributes"]
    return values


def _dead_letters(values: dict[str, str]) -> str:
    policy = json.loads(values.get("RedrivePolicy") or "{}")
    return last(str(policy.get("deadLetterTargetArn", "")))


def _url(clients: Clients, queue: str) -> str:
    return str(clients("sqs").get_queue_url(QueueName=queue)["QueueUrl"])


def _send(clients: Clients, ask: Ask) -> None:
    queue, body = ask.text("queue"), ask.text("body").replace("\r\n", "\n")
    more: dict[str, str] = {}
    if queue.endswith(".fifo"):
        more = {"MessageGroupId": ask.text("group"), "MessageDeduplicationId": str(uuid.uuid4())}
    clients("sqs").send_message(QueueUrl=_url(clients, queue), MessageBody=body, **more)


def _redrive(clients: Clients, queue: str) -> int:
    sqs = clients("sqs")
    arn = _attributes(clients, _url(clients, queue))["QueueArn"]
    sqs.start_message_move_task(SourceArn=arn)
    (task,) = sqs.list_message_move_tasks(SourceArn=arn)["Results"]
    return int(task["ApproximateNumberOfMessagesMoved"])
