"""Rules of SQS that moto's queues lack.

A dead letter remembers the queue from which it came. A deduplication id still counts after its
message is deleted. The sequence numbers of a FIFO queue grow. A message carries the trace header of
the request that sent it.
"""

import threading
import time
from typing import Final

from lampwork.cloud.moto_seam.sqs import (
    Message,
    Queue,
    admit_messages,
    note_source,
    note_trace_header,
    recent_deduplication,
    sent_at,
    set_recent_deduplication,
    source_arn,
)
from lampwork.cloud.request_trace import trace_header

# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/using-messagededuplicationid-property.html
DEDUPLICATION_MS: Final = 5 * 60 * 1000
SMALLEST_OF_20_DIGITS: Final = 10**19


class Sequence:
    """Numbers of 20 digits, each larger than those before, also after a new start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0

    def next(self) -> str:
        with self._lock:
            self._last = max(self._last + 1, SMALLEST_OF_20_DIGITS + time.time_ns())
            return str(self._last)


SEQUENCE: Final = Sequence()


def install() -> None:
    admit_messages(_admits)


def _admits(queue: Queue, message: Message) -> bool:
    if source_arn(message) is None:  # it is new, and was not moved here
        _note_request(queue, message)
    note_source(message, queue)
    return not _is_duplicate(queue, message)


def _note_request(queue: Queue, message: Message) -> None:
    if queue.fifo_queue:
        message.sequence_number = SEQUENCE.next()
    if (header := trace_header()) is not None:
        note_trace_header(message, header)


def _is_duplicate(queue: Queue, message: Message) -> bool:
    if not queue.fifo_queue or message.deduplication_id is None:
        return False
    now = sent_at(message)
    begin = now - DEDUPLICATION_MS
    recent = {key: sent for key, sent in recent_deduplication(queue).items() if sent > begin}
    is_duplicate = message.deduplication_id in recent
    set_recent_deduplication(queue, {message.deduplication_id: now, **recent})
    return is_duplicate
