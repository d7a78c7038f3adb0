from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared import settings
from shared.singletons import singleton

CONNECT_TIMEOUT_SECONDS = 1
ANSWER_TIMEOUT_SECONDS = 3
MAX_CONNECTIONS = 32


@singleton
def client() -> Redis:
    """The process's Redis client; it connects at its first command and answers in bytes.

    A dead server is noticed within seconds. The one retry is for a connection that was closed while
    idle. Commands beyond MAX_CONNECTIONS at once wait for a free connection.
    """
    pool = BlockingConnectionPool.from_url(
        settings.redis().url.get_secret_value(),
        max_connections=MAX_CONNECTIONS,
        timeout=ANSWER_TIMEOUT_SECONDS,
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=ANSWER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
    return Redis.from_pool(pool)
