import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from contextvars import Context
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from shared.clients.redis_client import subscriber
from shared.singletons import singleton
from shared.stream.redis_keys import REVIEWS

logger = logging.getLogger(__name__)

RETRY_SECONDS = 2.0
IDLE_SECONDS = 10.0

# Told of each message, and with None that some may have been missed.
Listener = Callable[[bytes | None], None]


class Subscription:
    """This process's one subscription to Redis, however many listen and to however many channels.

    A listener is told that it may have missed something when its channel has just been subscribed
    to, and again and again while Redis is away: it then looks into the database by itself. It must
    neither wait nor raise.
    """

    def __init__(self, redis: Redis, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._redis = redis
        self._retry_seconds = retry_seconds
        self._listeners: dict[str, set[Listener]] = {}
        self._asked: set[str] = set()  # of Redis, over the present connection
        self._confirmed: set[str] = set()
        self._connection: PubSub | None = None
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.running = False

    def start(self) -> None:
        self.running = True
        self._spawn(self._keep_listening())

    async def stop(self) -> None:
        self.running = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._redis.aclose()

    def add(self, channel: str, listener: Listener) -> None:
        """Listen to a channel from now on."""
        self._listeners.setdefault(channel, set()).add(listener)
        if channel in self._confirmed:
            listener(None)
        else:
            self._spawn(self._match(channel))

    def remove(self, channel: str, listener: Listener) -> None:
        listeners = self._listeners[channel]
        listeners.discard(listener)
        if not listeners:
            del self._listeners[channel]
            self._spawn(self._match(channel))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this for the process: it is no part of the request that happened to need it first."""
        task = asyncio.create_task(work, context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep_listening(self) -> None:
        while True:
            try:
                await self._listen()
            except (RedisError, OSError) as error:
                logger.warning("Live status waits for Redis", extra={"error": str(error)})
            self._connection = None
            self._confirmed.clear()
            for listeners in list(self._listeners.values()):
                _tell(listeners, None)
            await asyncio.sleep(self._retry_seconds)

    async def _listen(self) -> None:
        async with self._redis.pubsub() as connection:
            async with self._changing:
                self._asked = {REVIEWS, *self._listeners}
                await connection.subscribe(*self._asked)
                self._connection = connection
            questioned = False
            while True:
                message = await connection.get_message(timeout=IDLE_SECONDS)
                if message is not None:
                    questioned = False
                    self._take(message)
                elif questioned:
                    raise RedisConnectionError("Redis gives no answer.")
                else:  # a connection that broke without a word would never tell of anything
                    questioned = True
                    await connection.ping()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] not in ("subscribe", "message"):
            return
        channel = message["channel"].decode()
        listeners = self._listeners.get(channel, set())
        if message["type"] == "message":
            _tell(listeners, message["data"])
        elif channel in self._asked:
            self._confirmed.add(channel)
            _tell(listeners, None)

    async def _match(self, channel: str) -> None:
        """Have Redis send what is listened to, and nothing else."""
        async with self._changing:
            connection = self._connection
            wanted, asked = channel in self._listeners, channel in self._asked
            if connection is None or wanted == asked or channel == REVIEWS:
                return
            # When this fails, the connection is broken; whoever reads it begins anew with all.
            with suppress(RedisError, OSError):
                if wanted:
                    self._asked.add(channel)
                    await connection.subscribe(channel)
                else:
                    self._asked.discard(channel)
                    self._confirmed.discard(channel)
                    await connection.unsubscribe(channel)


@singleton
def subscription() -> Subscription:
    return Subscription(subscriber())


def _tell(listeners: set[Listener], message: bytes | None) -> None:
    for listener in list(listeners):
        listener(message)
