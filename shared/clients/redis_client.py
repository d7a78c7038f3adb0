from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from shared import settings
from shared.dependencies import dependency
from shared.singletons import closed_by, singleton

# A request has less patience than this: see shared.dependencies.
CONNECT_TIMEOUT_SECONDS = 1
ANSWER_TIMEOUT_SECONDS = 2
MAX_CONNECTIONS = 32


@singleton
def client() -> Redis:
    """The process's Redis client; it connects at its first command and answers in bytes.

    A server that hangs is noticed soon, and then left alone for a moment. Commands beyond
    MAX_CONNECTIONS at once wait for a free connection.
    """
    pool = BlockingConnectionPool.from_url(
        settings.redis().url.get_secret_value(),
        max_connections=MAX_CONNECTIONS,
        timeout=ANSWER_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=ANSWER_TIMEOUT_SECONDS,
        retry=_Bounded(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    return Redis.from_pool(pool)


closed_by(client, Redis.aclose)


@singleton
def subscriber() -> Redis:
    """A client for what waits for news, not for an answer: it has no time limit once connected, and
    leaves it to its caller to connect again."""
    return Redis.from_url(
        settings.redis().url.get_secret_value(),
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


class _Bounded(Retry):
    """Through this the client connects and sends each command.

    It repeats once what met a connection that was closed while idle, but never waits twice for a
    server that gives no answer.
    """

    async def call_with_retry(self, *arguments: Any, **options: Any) -> Any:
        try:
            async with dependency("redis").asked():
                try:
                    return await super().call_with_retry(*arguments, **options)
                except RedisTimeoutError as error:
                    raise TimeoutError(str(error)) from error
                except AuthenticationError:
                    settings.doubt_secret()  # the password may have been changed
                    raise
        except TimeoutError as error:
            raise RedisTimeoutError(str(error)) from error
