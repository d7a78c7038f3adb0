import time
from contextlib import suppress
from uuid import UUID, uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.clients.redis_client import client
from shared.errors import TooManyPolls, Unavailable
from shared.singletons import singleton

ALL_KEY = "polls"
# A place is free again this long after its request must have ended, should nobody give it back.
MARGIN_SECONDS = 5
CROWDED_SECONDS = 5  # by then, a request that waits may have ended

# The set goes with the last of those that wait, and not with the one that came last.
TAKE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[4])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')
redis.call('EXPIREAT', KEYS[1], last[2])
return 1
"""


class WaitingRequests:
    """The requests that wait for news of a task. Stored only in Redis.

    Each holds a process of its function while it waits, which an open socket does not. So a user
    may have only so many, and so may all users together, or others would find no process.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(TAKE)

    async def enter(
        self, user_id: UUID, seconds: float, *, most_of_user: int, most_of_all: int
    ) -> str:
        """Count one more for at most `seconds`. Returns its name, by which it leaves.

        Raises:
            TooManyPolls: the user has as many as they may.
            Unavailable: all users have.
            RedisError: Redis is away.
        """
        name, now = uuid4().hex, int(time.time())
        until = now + int(seconds) + MARGIN_SECONDS
        if not await self._take(keys=[_key(user_id)], args=[now, most_of_user, until, name]):
            raise TooManyPolls(retry_after_seconds=CROWDED_SECONDS, limit=most_of_user)
        if not await self._take(keys=[ALL_KEY], args=[now, most_of_all, until, name]):
            await self._redis.zrem(_key(user_id), name)
            raise Unavailable(
                "Too many requests wait for news; ask without waiting, or follow the live stream.",
                retry_after_seconds=CROWDED_SECONDS,
            )
        return name

    async def leave(self, user_id: UUID, name: str) -> None:
        """Count it no more. If Redis is away, its place is free when its time is over."""
        with suppress(RedisError, OSError):
            await self._redis.zrem(_key(user_id), name)
            await self._redis.zrem(ALL_KEY, name)


@singleton
def waiting_requests() -> WaitingRequests:
    return WaitingRequests(client())


def _key(user_id: UUID) -> str:
    return f"polls:{{{user_id}}}"
