"""Workers say that they are there: one key in Redis, for as long as one of them renews it.

Where SQS and Lambda take the place of workers, nobody need be there before a message comes.
"""

import asyncio
from contextlib import suppress
from typing import Final

from redis.exceptions import RedisError

from shared import settings
from shared.clients.redis_client import client

KEY: Final = "workers:generate"
RENEWED_SECONDS: Final = 3.0
KEPT_SECONDS: Final = 10


def is_known() -> bool:
    """Whether workers of their own read the queue."""
    return not settings.queue().url.get_secret_value().startswith("sqs:")


async def anybody() -> bool:
    """Whether a worker was there within KEPT_SECONDS. Raises RedisError while Redis is away."""
    return bool(await client().exists(KEY))


async def announce() -> None:
    """Say that this worker is there, until cancelled."""
    while True:
        # While Redis is away nobody can be told, and whoever asks learns that it is not known.
        with suppress(RedisError):
            await client().set(KEY, 1, ex=KEPT_SECONDS)
        await asyncio.sleep(RENEWED_SECONDS)
