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
class RateLimitPolicy:
    """A limit as the settings write it, and the key that attempts are counted by."""

    name: str
    limit: str
    key: str


async def hit(*policies: RateLimitPolicy) -> None:
    """Count an attempt under each policy, in this order, up to the first whose limit is reached.

    Checking and counting are one step, so no more than the limit pass, however many try at once. A
    refused attempt is not counted. Call this before costly work and outside of transactions.

    Raises:
        RateLimited: a limit is reached; the policies before it have counted the attempt.
        Unavailable: neither Redis nor the database can count.
    """
    full = await _first_full(policies)
    if full is not None:
        raise full


async def allows(*policies: RateLimitPolicy) -> bool:
    """As `hit`, for routes that must not refuse: whether no limit was reached."""
    return await _first_full(policies) is None


async def admit(*policies: RateLimitPolicy) -> RateLimited | None:
    """Count an attempt under every policy, if all have room; else under none, and return the
    refusal of the first that has none.

    Attempts at the same moment may be counted under some only, and one of them refused needlessly.
    """
    if not settings.rate_limits().enabled:
        return None
    try:
        return await _admit(_redis(), policies)
    except RedisError as error:
        _log_absence(error)
    return await _admit(_Database(), policies)


async def take_back(*policies: RateLimitPolicy) -> None:
    """Uncount one attempt under each policy. The other attempts stay counted, so nobody else can
    tell that this one was made."""
    if not settings.rate_limits().enabled:
        return
    try:
        await _take_back(_redis(), policies)
    except RedisError as error:
        _log_absence(error)
        await _take_back(_Database(), policies)


async def clear(*policies: RateLimitPolicy) -> None:
    """Forget the attempts counted under these policies."""
    if not settings.rate_limits().enabled:
        return
    try:
        await _clear(_redis(), policies)
    except RedisError as error:
        _log_absence(error)
        await _clear(_Database(), policies)


class _Counters(Protocol):
    async def hit(self, item: RateLimitItem, *names: str) -> float | None:
        """Count one more; if the limit is reached, return the seconds until there is room."""
        ...

    async def wait(self, item: RateLimitItem, *names: str) -> float | None:
        """As `hit`, but count nothing."""
        ...

    async def take_back(self, item: RateLimitItem, *names: str) -> None:
        """Count one less."""
        ...

    async def clear(self, item: RateLimitItem, *names: str) -> None: ...


class _Redis:
    """Moving windows: never more than the limit within any window of time."""

    def __init__(self) -> None:
        self._storage = storage = RedisStorage(
            "redis://",  # not used: the connections are those of the process's client
            implementation="redispy",
            key_prefix="rate",
            connection_pool=client().connection_pool,  # type: ignore[arg-type]
        )
        self._limiter = MovingWindowRateLimiter(storage)

    async def hit(self, item: RateLimitItem, *names: str) -> float | None:
        if await self._limiter.hit(item, *names):
            return None
        return await self._seconds_left(item, *names)

    async def wait(self, item: RateLimitItem, *names: str) -> float | None:
        if await self._limiter.test(item, *names):
            return None
        return await self._seconds_left(item, *names)

    async def _seconds_left(self, item: RateLimitItem, *names: str) -> float:
        window = await self._limiter.get_window_stats(item, *names)
        return window.reset_time - time.time()

    async def take_back(self, item: RateLimitItem, *names: str) -> None:
        # The library keeps a list of times for each limit, the newest first, and cannot shorten it.
        await client().lpop(self._storage.bridge.prefixed_key(item.key_for(*names)))

    async def clear(self, item: RateLimitItem, *names: str) -> None:
        await self._limiter.clear(item, *names)


class _Database:
    """Fixed windows, used while Redis is away. Counting within this process would not do: it is one
    of many, and each would grant the whole limit."""

    async def hit(self, item: RateLimitItem, *names: str) -> float | None:
        now, (start, end) = clock.now(), _fixed_window(item)
        async with transaction() as session:
            count = await RateLimitCounterRepository(session).count(
                _fingerprint(item, *names), window_start=start, expires_at=end
            )
        return (end - now).total_seconds() if count > item.amount else None

    async def wait(self, item: RateLimitItem, *names: str) -> float | None:
        now, (start, end) = clock.now(), _fixed_window(item)
        async with transaction(writing=False) as session:
            count = await RateLimitCounterRepository(session).get(
                _fingerprint(item, *names), window_start=start
            )
        return (end - now).total_seconds() if count >= item.amount else None

    async def take_back(self, item: RateLimitItem, *names: str) -> None:
        start, _ = _fixed_window(item)
        async with transaction() as session:
            await RateLimitCounterRepository(session).take_back(
                _fingerprint(item, *names), window_start=start
            )

    async def clear(self, item: RateLimitItem, *names: str) -> None:
        async with transaction() as session:
            await RateLimitCounterRepository(session).forget(_fingerprint(item, *names))


_redis = singleton(_Redis)


async def _first_full(policies: tuple[RateLimitPolicy, ...]) -> RateLimited | None:
    if not settings.rate_limits().enabled:
        return None
    try:
        return await _count(_redis(), policies)
    except RedisError as error:
        _log_absence(error)
    return await _count(_Database(), policies)


async def _admit(counters: _Counters, policies: tuple[RateLimitPolicy, ...]) -> RateLimited | None:
    for policy in policies:
        for item in parse_many(policy.limit):
            seconds = await counters.wait(item, policy.name, policy.key)
            if seconds is not None:
                return _refusal(policy, item, seconds)
    return await _count(counters, policies)


async def _take_back(counters: _Counters, policies: tuple[RateLimitPolicy, ...]) -> None:
    for policy in policies:
        for item in parse_many(policy.limit):
            await counters.take_back(item, policy.name, policy.key)


async def _count(counters: _Counters, policies: tuple[RateLimitPolicy, ...]) -> RateLimited | None:
    for policy in policies:
        for item in parse_many(policy.limit):
            seconds = await counters.hit(item, policy.name, policy.key)
            if seconds is not None:
                return _refusal(policy, item, seconds)
    return None


def _refusal(policy: RateLimitPolicy, item: RateLimitItem, seconds: float) -> RateLimited:
    return RateLimited(
        policy.name,
        quota=item.amount,
        window_seconds=item.get_expiry(),
        retry_after_seconds=max(1, math.ceil(seconds)),
    )


async def _clear(counters: _Counters, policies: tuple[RateLimitPolicy, ...]) -> None:
    for policy in policies:
        for item in parse_many(policy.limit):
            await counters.clear(item, policy.name, policy.key)


def _fixed_window(item: RateLimitItem) -> tuple[datetime, datetime]:
    seconds = item.get_expiry()
    start = int(clock.now().timestamp()) // seconds * seconds
    return datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(start + seconds, UTC)


def _fingerprint(item: RateLimitItem, *names: str) -> bytes:
    return hashlib.sha256(item.key_for(*names).encode()).digest()


def _log_absence(error: RedisError) -> None:
    logger.warning("Redis is away: rates are counted in the database", extra={"error": str(error)})
