import json
from collections.abc import Iterator
from typing import Any, Final

import click

from lampwork.app.lock import running_origin
from lampwork.commands.options import config_of, project_options
from lampwork.errors import LampworkError, StartError
from lampwork.stack.function_names import suggestion

DEPTHS: Final = {
    "ApproximateNumberOfMessages": "waiting",
    "ApproximateNumberOfMessagesNotVisible": "in flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}
SHOWN_AT_ONCE: Final = 10
NOT_SHOWN: Final = ("ReceiptHandle", "MD5OfBody")


@click.group(invoke_without_command=True)
@project_options
@click.option("--json", "as_json", is_flag=True, help="Print a JSON array of objects.")
@click.pass_context
def queues(context: click.Context, /, *, as_json: bool, **given: Any) -> None:
    """Show queues and move dead letters back.

    These are the queues of a running `lampwork up`. Without a further command, list all of them and
    count their messages.
    """
    config = config_of(given)
    origin = running_origin(config.data)
    if origin is None:
        raise StartError("No Lampwork runs with this data folder. Start `lampwork up` first.")
    context.obj = _Queues(origin, config.region)
    if context.invoked_subcommand is None:
        click.echo(context.obj.as_json() if as_json else context.obj.table())


@queues.command()
@click.argument("queue")
@click.pass_obj
def show(queues: "_Queues", queue: str) -> None:
    """Print the messages that wait in a queue, and leave them in it."""
    for message in queues.messages(queue):
        click.echo(json.dumps(message, ensure_ascii=False))


@queues.command()
@click.argument("queue")
@click.option("--to", metavar="QUEUE", help="Move them to this queue instead.")
@click.pass_obj
def redrive(queues: "_Queues", queue: str, to: str | None) -> None:
    """Move the messages of a dead-letter queue back to the queue they came from."""
    click.echo(f"Moved {queues.redrive(queue, to)} messages from {queue}.")


class _Queues:
    """The queues at an SQS endpoint, by name. Raises LampworkError for what SQS refuses."""

    def __init__(self, endpoint_url: str, region: str) -> None:
        from botocore.exceptions import ClientError
        from localstack_client.session import Session

        host = endpoint_url.partition("://")[2]
        self._sqs = Session(localstack_host=host, region_name=region).client("sqs")
        self._refused = ClientError

    def table(self) -> str:
        queues = self._rows()
        rows = [("queue", *DEPTHS.values(), "dead letters to"), *queues]
        if not queues:
            return "There are no queues."
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def as_json(self) -> str:
        """Objects with a queue's name, its three counts and the name of its dead-letter queue."""
        queues = [
            {
                "queue": name,
                **{
                    key.replace(" ", "_"): int(n)
                    for key, n in zip(DEPTHS.values(), counts, strict=True)
                },
                "dead_letters_to": dead or None,
            }
            for name, *counts, dead in self._rows()
        ]
        return json.dumps(queues, indent=2)

    def messages(self, queue: str) -> Iterator[dict[str, Any]]:
        """The waiting messages. A visibility timeout of 0 leaves them visible to others."""
        answer = self._call(
            "receive_message",
            QueueUrl=self._url(queue),
            MaxNumberOfMessages=SHOWN_AT_ONCE,
            VisibilityTimeout=0,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        for message in answer.get("Messages", []):
            yield {key: message[key] for key in message if key not in NOT_SHOWN}

    def redrive(self, queue: str, to: str | None) -> int:
        source = self._arn(queue)
        destination = {"DestinationArn": self._arn(to)} if to else {}
        self._call("start_message_move_task", SourceArn=source, **destination)
        (task,) = self._call("list_message_move_tasks", SourceArn=source)["Results"]
        return int(task["ApproximateNumberOfMessagesMoved"])

    def _rows(self) -> list[tuple[str, ...]]:
        return [self._row(url) for url in self._sqs.list_queues().get("QueueUrls", [])]

    def _row(self, url: str) -> tuple[str, ...]:
        attributes = self._call("get_queue_attributes", QueueUrl=url, AttributeNames=["All"])
        values = attributes["Attributes"]
        policy = json.loads(values.get("RedrivePolicy") or "{}")
        dead = policy.get("deadLetterTargetArn", "").rpartition(":")[2]
        return (url.rpartition("/")[2], *(str(values[name]) for name in DEPTHS), dead)

    def _url(self, queue: str) -> str:
        """The address of a queue, by its name or by its logical id in the template."""
        urls = self._sqs.list_queues().get("QueueUrls", [])
        names = {url.rpartition("/")[2]: url for url in urls}
        ids = {_logical_id(name): url for name, url in names.items()}
        url = names.get(queue) or ids.get(queue)
        if url is None:
            meant = suggestion(queue, [*names, *ids])
            raise LampworkError(f"There is no queue {queue!r}{meant}. `lampwork queues` has all.")
        return str(url)

    def _arn(self, queue: str) -> str:
        answer = self._call(
            "get_queue_attributes", QueueUrl=self._url(queue), AttributeNames=["QueueArn"]
        )
        return str(answer["Attributes"]["QueueArn"])

    def _call(self, operation: str, **arguments: Any) -> Any:
        try:
            return getattr(self._sqs, operation)(**arguments)
        except self._refused as error:
            raise LampworkError(f"{error.response['Error']['Message']}") from error


def _logical_id(name: str) -> str:
    """Lampwork names a queue that the template does not name by its stack and its logical id."""
    return name.removesuffix(".fifo").rpartition("-")[2]
