import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from dramatiq import Broker, BrokerConnectionError, Message
from redis import RedisError

from shared.dependencies import dependency
from shared.queues import brokers
from shared.queues.doorbells import MessageQueue, QueueUnavailable
from shared.settings import MAX_DELAY_SECONDS


def over_redis(url: str) -> "DramatiqQueue":
    broker = brokers.redis_broker(url)
    return DramatiqQueue(broker, reach=broker.client.ping)


def over_rabbitmq(url: str) -> "DramatiqQueue":
    broker = brokers.rabbitmq_broker(url)
    return DramatiqQueue(broker, reach=lambda: brokers.reach_rabbitmq(broker))


class DramatiqQueue(MessageQueue):
    """Sends from one thread of its own: brokers block, and RabbitMQ's has a connection per thread.

    `reach` raises when the broker's server does not answer.
    """

    def __init__(self, broker: Broker, *, reach: Callable[[], object]) -> None:
        self._broker = broker
        self._reach = reach
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="queue")

    async def send(self, sent: Message[Any], delay_seconds: float = 0) -> None:
        delay = round(min(delay_seconds, MAX_DELAY_SECONDS) * 1000) if delay_seconds > 0 else None
        await self._in_sender(lambda: self._broker.enqueue(sent, delay=delay))

    async def check(self) -> None:
        await self._in_sender(self._reach)

    def close(self) -> None:
        """Let go of the connection. Nothing can be sent any more."""
        self._sender.submit(self._broker.close).result()
        self._sender.shutdown()

    async def _in_sender(self, call: Callable[[], object]) -> None:
        """Do this and wait for it, but no longer than the queue may take.

        What has begun goes on: a message may still arrive after the caller has given it up.
        """
        try:
            async with dependency("queue").asked():
                await asyncio.get_running_loop().run_in_executor(self._sender, call)
        except (BrokerConnectionError, RedisError, OSError) as error:
            raise QueueUnavailable(repr(error)) from error
