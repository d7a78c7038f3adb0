from typing import Any

from dramatiq import MessageProxy
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer

from local.message_shape import is_readable
from shared.process import metrics

IDLE_MS = 500


class DecodeSafeRabbitmqBroker(RabbitmqBroker):
    """A RabbitMQ broker that makes an unreadable message a dead letter and continues.

    Dramatiq's own broker does so with what it cannot decode; a message that decodes but has the
    wrong types would restart its consumer again and again.
    """

    @property
    def consumer_class(self) -> type["_DecodeSafeConsumer"]:
        return _DecodeSafeConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Any:
        """Consume without needless wake-ups: RabbitMQ pushes its messages."""
        return super().consume(queue_name, prefetch, max(timeout, IDLE_MS))


class _DecodeSafeConsumer(_RabbitmqConsumer):
    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)  # type: ignore[no-untyped-call]
        self._counted_elsewhere: set[int] = set()

    def __next__(self) -> MessageProxy | None:
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        if message is None or is_readable(message, self.queue_name):
            return message
        self.logger.error("A message of queue %s cannot be read.", self.queue_name)
        self.known_tags.discard(message._tag)
        self._nack(message._tag)
        return None

    def nack(self, message: Any) -> None:
        """Reject a message that reached the worker, which counts it itself."""
        self._counted_elsewhere.add(message._tag)
        super().nack(message)  # type: ignore[no-untyped-call]

    def _nack(self, tag: int) -> None:
        """Dramatiq calls this directly for what it cannot decode."""
        super()._nack(tag)  # type: ignore[no-untyped-call]
        if tag in self._counted_elsewhere:
            self._counted_elsewhere.remove(tag)
        else:
            metrics.record(metrics.MESSAGES_REJECTED, Queue=self.queue_name, Reason="unreadable")
