import asyncio
import time
from contextlib import suppress
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import RedisError

from shared.clients.redis_client import ANSWER_TIMEOUT_SECONDS, client
from shared.dependencies import no_request
from shared.stream.native.subscription import Subscription, subscription
from shared.stream.redis_keys import channel


class Notices:
    """Notices on a task's channel that the task has changed. Their content is ignored."""

    def __init__(self, redis: Redis, task_id: UUID) -> None:
        self._pubsub = redis.pubsub()
        self._channel = channel(task_id)

    async def wait(self, seconds: float) -> None:
        """Return when there is a reason to look again, or after `seconds`.

        A new or renewed subscription is such a reason, since earlier notices were missed. While
        Redis is away, this only waits.
        """
        until = time.monotonic() + seconds
        try:
            if self._pubsub.subscribed:
                with no_request():  # this waits for news, not for Redis
                    await self._pubsub.get_message(timeout=seconds)
            else:
                await self._subscribe()
        except (RedisError, OSError):
            await asyncio.sleep(max(until - time.monotonic(), 0))

    async def aclose(self) -> None:
        await self._pubsub.aclose()  # type: ignore[no-untyped-call]

    async def _subscribe(self) -> None:
        await self._pubsub.subscribe(self._channel)
        with no_request():
            await self._pubsub.get_message(timeout=ANSWER_TIMEOUT_SECONDS)


class SharedNotices:
    """The same over the subscription that the whole process shares: a process that serves many
    requests at once has not so many connections."""

    def __init__(self, shared: Subscription, task_id: UUID) -> None:
        self._shared = shared
        self._channel = channel(task_id)
        self._news = asyncio.Event()
        shared.add(self._channel, self._note)

    async def wait(self, seconds: float) -> None:
        """As `Notices.wait`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._news.wait()
        self._news.clear()

    async def aclose(self) -> None:
        self._shared.remove(self._channel, self._note)

    def _note(self, _message: bytes | None) -> None:
        self._news.set()


def listen(task_id: UUID) -> Notices | SharedNotices:
    """Notices of a task, over the process's subscription if it has one."""
    shared = subscription()
    return SharedNotices(shared, task_id) if shared.running else Notices(client(), task_id)
