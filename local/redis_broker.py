import threading
import time
from collections.abc import Mapping
from typing import Any

from dramatiq import ConnectionClosed, DecodeError, Message
from dramatiq.brokers.redis import RedisBroker, _RedisConsumer
from redis import ConnectionError as RedisConnectionError
from redis import ResponseError

from local.message_shape import is_readable
from shared.process import metrics

BACKGROUND_POLL_MS = 500
# A message that waits in a delay queue has seconds to wait; so its queue is asked more rarely.
POLLS_OF_DELAY_QUEUES_LEFT_OUT = 2
WAIT_SECONDS = 0.5


class PromptConsumer(_RedisConsumer):
    """Fetches the next message as soon as a thread is free.

    Dramatiq's own consumer sleeps instead, up to its whole timeout after each message.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)  # type: ignore[no-untyped-call]
        self._freed = threading.Event()
        self._left_out = 0

    def ack(self, message: Any) -> None:
        super().ack(message)  # type: ignore[no-untyped-call]
        self._freed.set()

    def nack(self, message: Any) -> None:
        super().nack(message)  # type: ignore[no-untyped-call]
        self._freed.set()

    def __next__(self) -> Any:
        if not (self.message_cache or self.outstanding_message_count < self.prefetch):
            if self._freed.wait(self.timeout / 1000):
                self._freed.clear()
                self.misses = 0
            return None
        if self.queue_name not in self.broker.poll_ms:
            return self._polled()
        message = self._fetched()
        if message is None and not self._wait_in_redis():
            time.sleep(self.timeout / 1000)
        return message

    def _polled(self) -> Any:
        if self._left_out and not self.message_cache:
            self._left_out -= 1
            time.sleep(self.timeout / 1000)
            return None
        message = super().__next__()  # type: ignore[no-untyped-call]
        if message is None and self.broker.poll_ms and self.queue_name in self.broker.delay_queues:
            self._left_out = POLLS_OF_DELAY_QUEUES_LEFT_OUT
        return message

    def _fetched(self) -> Any:
        """The next message, without the pause that Dramatiq makes if there is none."""
        pause, self.timeout = self.timeout, 0
        try:
            return super().__next__()  # type: ignore[no-untyped-call]
        finally:
            self.timeout = pause

    def _wait_in_redis(self) -> bool:
        """Wait until the queue has a message, or for a moment. False: this server cannot wait.
        Redis does not know how before 6.2, and what stands in for it answers at once.

        Moving the first message from where it is to where it is waits for one, and does nothing
        else: https://redis.io/docs/latest/commands/blmove/
        """
        queue = f"{self.broker.namespace}:{self.queue_name}"
        began = time.monotonic()
        try:
            found = self.broker.client.blmove(queue, queue, WAIT_SECONDS, "LEFT", "LEFT")
        except ResponseError:
            return False
        except RedisConnectionError as error:
            # As when it fetches, so it is asked again.
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        return found is not None or time.monotonic() - began > WAIT_SECONDS / 2


class DecodeSafeRedisBroker(RedisBroker):
    """A Redis broker that makes an unreadable message a dead letter and continues.

    Dramatiq's own broker restarts its consumer instead, and leaves the good messages of the batch
    behind.
    """

    def __init__(self, *, poll_ms: Mapping[str, int] | None = None, **options: Any) -> None:
        self.poll_ms = poll_ms or {}
        super().__init__(**options)  # type: ignore[no-untyped-call]

    @property
    def consumer_class(self) -> type[PromptConsumer]:
        return PromptConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Any:
        """Wait for messages of the queues of `poll_ms`, or poll them as often as it says where
        Redis cannot wait; poll the others less often."""
        if self.poll_ms:
            timeout = self.poll_ms.get(queue_name, BACKGROUND_POLL_MS)
        return super().consume(queue_name, prefetch, timeout)

    def do_fetch(self, queue_name: str, count: int) -> list[bytes]:
        fetch: Any = self._dispatch("fetch")  # type: ignore[no-untyped-call]
        fetched = fetch(queue_name, count)
        messages = self._messages(queue_name, fetched)
        if len(messages) < len(fetched):
            self._bury_garbage(queue_name)
        return messages

    def _messages(self, queue_name: str, fetched: list[bytes | None]) -> list[bytes]:
        """The messages that can be read and whose id Redis knows."""
        by_id = {id: data for data in fetched if data and (id := _message_id(data, queue_name))}
        if not by_id:
            return []
        known: Any = self.client.smismember(self._acks(queue_name), list(by_id))
        return [data for data, is_known in zip(by_id.values(), known, strict=True) if is_known]

    def _bury_garbage(self, queue_name: str) -> None:
        """Make the unreadable messages that this consumer has fetched dead letters.

        The script that fetches returns no ids, so they come from the set of unacknowledged
        messages.
        """
        fetched: Any = self.client.smembers(self._acks(queue_name))
        for redis_id in fetched:
            data: Any = self.client.hget(f"{self.namespace}:{queue_name}.msgs", redis_id)
            if data is None:
                self.do_ack(queue_name, redis_id)
            elif _message_id(data, queue_name) != redis_id.decode(errors="replace"):
                self.logger.error("A message of queue %s cannot be read.", queue_name)
                self.do_nack(queue_name, redis_id)
                metrics.record(metrics.MESSAGES_REJECTED, Queue=queue_name, Reason="unreadable")

    def _acks(self, queue_name: str) -> str:
        """The set of ids that this broker has fetched and not acknowledged yet."""
        return f"{self.namespace}:__acks__.{self.broker_id}.{queue_name}"


def _message_id(data: bytes, queue_name: str) -> str | None:
    """The id under which Redis keeps a message of this queue; None if it is not such a message."""
    try:
        message = Message.decode(data)
    except DecodeError:
        return None
    if not is_readable(message, queue_name):
        return None
    redis_id = message.options.get("redis_message_id")
    return redis_id if isinstance(redis_id, str) else None
