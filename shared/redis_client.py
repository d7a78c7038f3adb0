from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from shared import settings
from shared.once import once

CONNECT_TIMEOUT_SECONDS = 1
ANSWER_TIMEOUT_SECONDS = 3


@once
def client() -> Redis:
    """The process's Redis client; it connects at its first command and answers in bytes.

    A dead server is noticed within seconds. The one retry is for a connection that was closed
    while it idled.
    """
    return Redis.from_url(
        settings.redis().url.get_secret_value(),
        socket_connect_timeout=CONNECT_TIMEOUT_SECONDS,
        socket_timeout=ANSWER_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
