import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from dramatiq import Broker, BrokerConnectionError, Message
from redis import RedisError

from shared.queue import DELIVER, GENERATE, SWEEP, TICK, QueueUnavailable, doorbell, message
from shared.queues import brokers


def over_redis(url: str) -> "DramatiqQueue":
    return DramatiqQueue(brokers.redis_broker(url))


def over_rabbitmq(url: str) -> "DramatiqQueue":
    return DramatiqQueue(brokers.rabbitmq_broker(url))


class DramatiqQueue:
    """Sends from one thread of its own: brokers block, and RabbitMQ's connects once per thread."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._sender = ThreadPoolExecutor(max_workers=1, thread_name_prefix="queue")

    async def ring_generate(self, task_id: UUID, delay_seconds: float = 0) -> None:
        await self._send(doorbell(GENERATE, task_id), delay_seconds)

    async def ring_deliver(self, task_id: UUID) -> None:
        await self._send(doorbell(DELIVER, task_id))

    async def send_sweep(self, delay_seconds: float = 0) -> None:
        await self._send(message(SWEEP), delay_seconds)

    async def send_tick(self, delay_seconds: float = 0) -> None:
        await self._send(message(TICK), delay_seconds)

    async def _send(self, sent: Message[Any], delay_seconds: float = 0) -> None:
        delay = round(delay_seconds * 1000) if delay_seconds > 0 else None
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(
                self._sender, lambda: self._broker.enqueue(sent, delay=delay)
            )
        except (BrokerConnectionError, RedisError, OSError) as error:
            raise QueueUnavailable(str(error)) from error
