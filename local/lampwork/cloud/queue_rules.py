"""Two rules of SQS that moto's queues lack.

A dead letter remembers the queue from which it came. A deduplication id still counts after its
message is deleted.
"""

from typing import Final

from lampwork.cloud.moto_seam.sqs import (
    Message,
    Queue,
    admit_messages,
    note_source,
    recent_deduplication,
    sent_at,
    set_recent_deduplication,
)

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
DEDUPLICATION_MS: Final = 5 * 60 * 1000


def install() -> None:
    admit_messages(_admits)


def _admits(queue: Queue, message: Message) -> bool:
    note_source(message, queue)
    return not _is_duplicate(queue, message)


def _is_duplicate(queue: Queue, message: Message) -> bool:
    if not queue.fifo_queue or message.deduplication_id is None:
        return False
    now = sent_at(message)
    begin = now - DEDUPLICATION_MS
    recent = {key: sent for key, sent in recent_deduplication(queue).items() if sent > begin}
    is_duplicate = message.deduplication_id in recent
    set_recent_deduplication(queue, {message.deduplication_id: now, **recent})
    return is_duplicate
