import asyncio
from typing import Any
from uuid import uuid4

from redis.exceptions import RedisError

from shared.stream import delivery_lock
from shared.stream.delivery_lock import RENEW, DeliveryLock


class RedisThatLosesCancellations:
    """Fails like a client whose connection breaks while its caller is being cancelled."""

    def __init__(self) -> None:
        self.renewing = asyncio.Event()

    async def eval(self, script: str, *_: Any) -> int:
        if script is RENEW:
            self.renewing.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise RedisError("the connection broke meanwhile") from None
        return 1


async def test_a_renewal_that_misses_its_cancellation_does_not_delay_the_release(monkeypatch):
    monkeypatch.setattr(delivery_lock, "RENEWAL_SECONDS", 0.01)
    redis: Any = RedisThatLosesCancellations()
    lock = DeliveryLock(redis, uuid4())

    async with asyncio.timeout(2):
        async with lock.hold() as held:
            await redis.renewing.wait()
            released = await lock.release()

    assert (held, released) == (True, True)
