import json
import logging
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from shared import settings
from shared.clients import redis_client
from shared.database import connection
from shared.engine import transitions
from shared.engine.task_payload import task_payload
from shared.errors import Unavailable
from shared.models.task import Task
from shared.queues.doorbells import Queue, QueueUnavailable
from shared.queues.registry import queue
from shared.singletons import singleton
from shared.stream import connections
from shared.stream.redis_keys import channel, latest_key

logger = logging.getLogger(__name__)

# Keeps only the newest state, however publishers race, and tells whether anybody watches. The keys
# share the task's hash tag, so that one node of a cluster holds both.
PUBLISH_IF_NEWER = """
local known = tonumber(redis.call('HGET', KEYS[1], 'seq') or '0')
if tonumber(ARGV[1]) > known then
  redis.call('HSET', KEYS[1], 'seq', ARGV[1], 'payload', ARGV[2], 'user', ARGV[3])
  redis.call('EXPIRE', KEYS[1], ARGV[4])
  redis.call('PUBLISH', ARGV[5], ARGV[2])
end
return redis.call('EXISTS', KEYS[2])
"""


class TaskStatusBroadcaster:
    """Tells watchers about a committed transition: stores the newest state, publishes it, and rings
    for a delivery."""

    def __init__(self, redis: Redis, doorbells: Queue | None = None) -> None:
        self._redis = redis
        self._doorbells = doorbells or queue()
        self._publish = redis.register_script(PUBLISH_IF_NEWER)

    async def publish(self, task: Task) -> bool:
        """Publish the state that `task` was committed with. Call this after the commit.

        A service that is away is logged, not raised: the transition stands, and the sweep publishes
        it later. Returns whether watchers were told.
        """
        if not await self.tell(task):
            return False
        try:
            async with connection() as asked:
                await transitions.mark_published(asked, {task.id: task.sequence})
        except (SQLAlchemyError, Unavailable) as error:
            _log(task, error)
            return False
        return True

    async def tell(self, task: Task) -> bool:
        """As `publish`, but it remains to be noted that watchers were told."""
        try:
            if await self._tell(task):
                await self._doorbells.ring_deliver(task.id)
        except (RedisError, QueueUnavailable, OSError) as error:
            _log(task, error)
            return False
        return True

    async def retract(self, task_id: UUID) -> None:
        """Forget the state of a deleted task and ring for its watchers. Call this after the commit.

        A service that is away is logged, not raised: the next tick finds watchers without a task.
        """
        try:
            await self._redis.delete(latest_key(task_id))
            await self._redis.publish(channel(task_id), "deleted")
            if await self._redis.exists(connections.task_key(task_id)):
                await self._doorbells.ring_deliver(task_id)
        except (RedisError, QueueUnavailable, OSError) as error:
            logger.warning(
                "A task's watchers were not told of its end",
                extra={"task_id": str(task_id), "error": str(error)},
            )

    async def _tell(self, task: Task) -> bool:
        watched = await self._publish(
            keys=[latest_key(task.id), connections.task_key(task.id)],
            args=[
                task.sequence,
                json.dumps(task_payload(task)),
                str(task.user_id),
                settings.websocket().latest_ttl_seconds,
                channel(task.id),
            ],
        )
        return bool(watched)


def _log(task: Task, error: Exception) -> None:
    logger.warning(
        "A task's state was not published",
        extra={
            "task_id": str(task.id),
            "sequence": task.sequence,
            "request_id": task.request_id,
            "error": str(error),
        },
    )


@singleton
def broadcaster() -> TaskStatusBroadcaster:
    return TaskStatusBroadcaster(redis_client.client())
