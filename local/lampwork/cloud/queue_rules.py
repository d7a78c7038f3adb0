"""What moto's queues leave out of SQS: who sent a dead letter, and that a deleted message's
deduplication id still counts."""

from collections.abc import Callable
from typing import Any, Final

from moto.sqs.models import Queue

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
DEDUPLICATION_MS: Final = 5 * 60 * 1000


def install() -> None:
    kind: Any = Queue
    kind.add_message = _with_rules(kind.add_message)


def _with_rules(add_message: Callable[..., None]) -> Callable[..., None]:
    def added(queue: Any, message: Any) -> None:
        if not hasattr(message, "source_arn"):
            message.source_arn = queue.queue_arn
        if not _is_duplicate(queue, message):
            add_message(queue, message)

    return added


def _is_duplicate(queue: Any, message: Any) -> bool:
    if not queue.fifo_queue or message.deduplication_id is None:
        return False
    begin = message.sent_timestamp - DEDUPLICATION_MS
    recent = {key: sent for key, sent in _recent(queue).items() if sent > begin}
    is_duplicate = message.deduplication_id in recent
    queue.recent_deduplication = {message.deduplication_id: message.sent_timestamp, **recent}
    return is_duplicate


def _recent(queue: Any) -> dict[str, int]:
    recent: dict[str, int] = vars(queue).get("recent_deduplication", {})
    return recent
