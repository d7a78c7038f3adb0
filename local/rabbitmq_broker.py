from typing import Any

from dramatiq import MessageProxy
from dramatiq.brokers.rabbitmq import RabbitmqBroker, _RabbitmqConsumer

from local.message_shape import is_readable

IDLE_MS = 500


class DecodeSafeRabbitmqBroker(RabbitmqBroker):
    """A RabbitMQ broker that puts what is no message among the dead letters and goes on.

    Dramatiq's own does so with what it cannot decode; what decodes and has the wrong types would
    restart its consumer again and again.
    """

    @property
    def consumer_class(self) -> type["_DecodeSafeConsumer"]:
        return _DecodeSafeConsumer

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Any:
        """Consume without waking up for nothing: RabbitMQ pushes its messages."""
        return super().consume(queue_name, prefetch, max(timeout, IDLE_MS))


class _DecodeSafeConsumer(_RabbitmqConsumer):
    def __next__(self) -> MessageProxy | None:
        message: MessageProxy | None = super().__next__()  # type: ignore[no-untyped-call]
        if message is None or is_readable(message, self.queue_name):
            return message
        self.logger.error("A message of queue %s cannot be read.", self.queue_name)
        self.nack(message)  # type: ignore[no-untyped-call]
        return None
