import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID, uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

TTL_SECONDS = 6.0
RENEWAL_SECONDS = 2.0
MARK_TTL_SECONDS = 60

# The flag is cleared when the lock is taken: the holder is about to read all there is.
TAKE = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  redis.call('DEL', KEYS[2])
  return 1
end
redis.call('SET', KEYS[2], '1', 'EX', ARGV[3])
return 0
"""
# Reading the flag and releasing are one step: a wake-up in between would be lost.
RELEASE = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 1 end
if redis.call('DEL', KEYS[2]) == 1 then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""
ABANDON = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""
RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""


class LockLost(Exception):
    """The lock ran out while its holder could not renew it; somebody else may have it now."""


class DeliveryLock:
    """The right to deliver one task's frames, held by one deliverer at a time.

    A deliverer that finds it taken marks the task dirty and leaves; the holder cannot release it
    before it has looked again. A holder that dies loses it after TTL_SECONDS.
    """

    def __init__(self, redis: Redis, task_id: UUID) -> None:
        self._redis = redis
        self._keys = [f"ws:lock:{{{task_id}}}", f"ws:dirty:{{{task_id}}}"]
        self._token = str(uuid4())
        self._held = False
        self._held_until = 0.0
        self._ending = False

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[bool]:
        """Take the lock, renew it inside the block, release it at the end.

        If another deliverer has it, mark the task dirty and yield False.
        """
        if not await self._take():
            yield False
            return
        renewal = asyncio.create_task(self._keep_renewing())
        try:
            yield True
        finally:
            self._ending = True
            renewal.cancel()
            with suppress(asyncio.CancelledError):
                await renewal
            if self._held:
                await self._redis.eval(ABANDON, 1, self._keys[0], self._token)

    def check(self) -> None:
        """Raise LockLost unless the lock is surely still ours."""
        if time.monotonic() >= self._held_until:
            raise LockLost

    async def clear_mark(self) -> bool:
        """Remove the mark. Returns whether there was one; then the caller must read the database
        again."""
        return bool(await self._redis.delete(self._keys[1]))

    async def release(self) -> bool:
        """Release the lock. False if the task was marked dirty: then the lock is kept and the mark
        removed."""
        self._held = not await self._redis.eval(RELEASE, 2, *self._keys, self._token)
        return not self._held

    async def _take(self) -> bool:
        asked_at = time.monotonic()
        taken = await self._redis.eval(
            TAKE, 2, *self._keys, self._token, int(TTL_SECONDS * 1000), MARK_TTL_SECONDS
        )
        self._held, self._held_until = bool(taken), asked_at + TTL_SECONDS
        return self._held

    async def _keep_renewing(self) -> None:
        """If this fails, check() raises as soon as the last lease is over."""
        arguments = (self._keys[0], self._token, int(TTL_SECONDS * 1000))
        # A client whose connection breaks just then may turn a cancellation into its own error.
        while not self._ending:
            await asyncio.sleep(RENEWAL_SECONDS)
            asked_at = time.monotonic()
            with suppress(RedisError):
                if await self._redis.eval(RENEW, 1, *arguments):
                    self._held_until = asked_at + TTL_SECONDS
