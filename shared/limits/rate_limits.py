import hashlib
import logging
import math
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from limits import RateLimitItem, parse_many
from limits.aio.storage import RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter
from redis import RedisError

from shared import clock, settings
from shared.clients.redis_client import client
from shared.database import transaction
from shared.errors import RateLimited
from shared.repositories.rate_limit_counters import RateLimitCounterRepository
from shared.singletons import singleton

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is counted together: `limit` as the settings write it, `key` whom it is counted for."""

    name: str
    limit: str
    key: str


async def hit(*allowances: Allowance) -> None:
    """Count an attempt in each allowance, in this order, up to the first that is full.

    Checking and counting are one step: of many who try at once, no more than the limit pass. An
    attempt refused is not counted. Call it before costly work and outside of transactions.

    Raises:
        RateLimited: an allowance is full; what the allowances before it counted stays counted.
        Unavailable: neither Redis nor the database can count.
    """
    full = await _first_full(allowances)
    if full is not None:
        raise full


async def allows(*allowances: Allowance) -> bool:
    """As `hit`, for routes that must not tell: whether no allowance was full."""
    return await _first_full(allowances) is None


async def clear(*allowances: Allowance) -> None:
    """Forget what was counted in these allowances."""
    if not settings.rate_limits().enabled:
        return
    try:
        await _clear(_redis(), allowances)
    except RedisError as error:
        _log_absence(error)
        await _clear(_Database(), allowances)


class _Counters(Protocol):
    async def hit(self, item: RateLimitItem, *names: str) -> float | None:
        """Count one more; or, if there is no room for it, the seconds until there is."""
        ...

    async def clear(self, item: RateLimitItem, *names: str) -> None: ...


class _Redis:
    """Moving windows: at no time were there more than the limit within the window before."""

    def __init__(self) -> None:
        storage = RedisStorage(
            "redis://",  # not used: the connections are those of the process's client
            implementation="redispy",
            key_prefix="rate",
            connection_pool=client().connection_pool,  # type: ignore[arg-type]
        )
        self._limiter = MovingWindowRateLimiter(storage)

    async def hit(self, item: RateLimitItem, *names: str) -> float | None:
        if await self._limiter.hit(item, *names):
            return None
        window = await self._limiter.get_window_stats(item, *names)
        return window.reset_time - time.time()

    async def clear(self, item: RateLimitItem, *names: str) -> None:
        await self._limiter.clear(item, *names)


class _Database:
    """Fixed windows, for the time Redis is away. Counting in this process would not do: it is
    one of many, and each would grant the whole limit."""

    async def hit(self, item: RateLimitItem, *names: str) -> float | None:
        seconds, now = item.get_expiry(), clock.now()
        start = int(now.timestamp()) // seconds * seconds
        end = datetime.fromtimestamp(start + seconds, UTC)
        async with transaction() as session:
            count = await RateLimitCounterRepository(session).count(
                _fingerprint(item, *names),
                window_start=datetime.fromtimestamp(start, UTC),
                expires_at=end,
            )
        return (end - now).total_seconds() if count > item.amount else None

    async def clear(self, item: RateLimitItem, *names: str) -> None:
        async with transaction() as session:
            await RateLimitCounterRepository(session).forget(_fingerprint(item, *names))


_redis = singleton(_Redis)


async def _first_full(allowances: tuple[Allowance, ...]) -> RateLimited | None:
    if not settings.rate_limits().enabled:
        return None
    try:
        return await _count(_redis(), allowances)
    except RedisError as error:
        _log_absence(error)
    return await _count(_Database(), allowances)


async def _count(counters: _Counters, allowances: tuple[Allowance, ...]) -> RateLimited | None:
    for allowance in allowances:
        for item in parse_many(allowance.limit):
            seconds = await counters.hit(item, allowance.name, allowance.key)
            if seconds is not None:
                return _refusal(allowance, item, seconds)
    return None


def _refusal(allowance: Allowance, item: RateLimitItem, seconds: float) -> RateLimited:
    return RateLimited(
        allowance.name,
        quota=item.amount,
        window_seconds=item.get_expiry(),
        retry_after_seconds=max(1, math.ceil(seconds)),
    )


async def _clear(counters: _Counters, allowances: tuple[Allowance, ...]) -> None:
    for allowance in allowances:
        for item in parse_many(allowance.limit):
            await counters.clear(item, allowance.name, allowance.key)


def _fingerprint(item: RateLimitItem, *names: str) -> bytes:
    return hashlib.sha256(item.key_for(*names).encode()).digest()


def _log_absence(error: RedisError) -> None:
    logger.warning("Redis is away: rates are counted in the database", extra={"error": str(error)})
