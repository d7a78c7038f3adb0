import asyncio
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import time_machine
from sqlalchemy import func, select

from shared import clock, database
from shared.database import transaction
from shared.errors import RateLimited
from shared.limits import rate_limits
from shared.limits.rate_limits import RateLimitPolicy
from shared.models.rate_limit_counter import RateLimitCounter
from shared.process.event_loop import run
from shared.services.sweeping import sweep
from shared.singletons import forget_singletons
from tests.services import running_redis

COUNTERS = ["rate_limited", "rate_limited_without_redis"]


@pytest.fixture(params=COUNTERS, ids=["Redis", "no Redis"])
def limited(request: pytest.FixtureRequest) -> pytest.MonkeyPatch:
    environment: pytest.MonkeyPatch = request.getfixturevalue(request.param)
    environment.setenv("DATABASE_POOL_SIZE", "10")
    forget_singletons()
    return environment


@pytest.fixture
def bucket(limited: pytest.MonkeyPatch) -> RateLimitPolicy:
    return RateLimitPolicy("door", "5/minute", uuid4().hex)


def passed(count: int, *buckets: RateLimitPolicy) -> int:
    """How many of `count` concurrent attempts are let through."""

    async def attempt() -> list[bool]:
        return await asyncio.gather(*(rate_limits.allows(*buckets) for _ in range(count)))

    return sum(run(attempt()))


def at_the_start_of_a_day() -> time_machine.travel:
    tomorrow = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return time_machine.travel(tomorrow, tick=False)


def test_no_more_of_a_hundred_attempts_at_once_pass_than_the_limit_allows(bucket: RateLimitPolicy):
    assert passed(100, bucket) == 5
    assert passed(10, bucket) == 0


def test_a_refusal_says_when_to_try_again(bucket: RateLimitPolicy):
    with at_the_start_of_a_day() as time:
        passed(5, bucket)
        time.shift(20)

        with pytest.raises(RateLimited) as refused:
            run(rate_limits.hit(bucket))

        assert refused.value.headers == {
            "Retry-After": "40",
            "RateLimit-Policy": '"door";q=5;w=60',
            "RateLimit": '"door";r=0;t=40',
        }
        time.shift(40.1)
        assert passed(1, bucket) == 1


def test_each_key_is_counted_separately(bucket: RateLimitPolicy):
    passed(5, bucket)

    assert passed(5, RateLimitPolicy(bucket.name, bucket.limit, uuid4().hex)) == 5
    assert passed(5, RateLimitPolicy("window", bucket.limit, bucket.key)) == 5


def test_several_limits_apply_at_once(limited: pytest.MonkeyPatch):
    bucket = RateLimitPolicy("door", "2/minute; 3/hour", uuid4().hex)

    with at_the_start_of_a_day() as time:
        assert passed(5, bucket) == 2
        time.shift(61)
        assert passed(5, bucket) == 1
        time.shift(61)
        with pytest.raises(RateLimited, match="later") as refused:
            run(rate_limits.hit(bucket))

    assert int(refused.value.headers["Retry-After"]) > 3000


def test_what_the_first_bucket_refuses_is_not_counted_in_the_second(bucket: RateLimitPolicy):
    second = RateLimitPolicy("house", "20/minute", bucket.key)

    passed(50, bucket, second)

    assert passed(50, second) == 15


def test_a_cleared_bucket_is_empty(bucket: RateLimitPolicy):
    passed(5, bucket)

    run(rate_limits.clear(bucket))

    assert passed(10, bucket) == 5


def test_rate_limits_can_be_switched_off(bucket: RateLimitPolicy, limited: pytest.MonkeyPatch):
    limited.setenv("RATE_LIMITS", "off")
    forget_singletons()

    assert passed(100, bucket) == 100


def test_postgresql_counts_while_redis_is_unavailable(
    bucket: RateLimitPolicy, migrated_postgresql: str, limited: pytest.MonkeyPatch
):
    run(database.engine().dispose())
    limited.setenv("DATABASE_URL", migrated_postgresql)
    forget_singletons()

    with at_the_start_of_a_day():
        assert passed(100, bucket) == 5
        run(rate_limits.clear(bucket))
        assert passed(10, bucket) == 5


def test_redis_may_become_unavailable_while_it_is_used(
    rate_limited: pytest.MonkeyPatch, tmp_path: Path
):
    bucket = RateLimitPolicy("door", "5/minute", uuid4().hex)
    with running_redis(tmp_path) as url:
        rate_limited.setenv("REDIS_URL", url)
        forget_singletons()
        assert passed(10, bucket) == 5

    assert passed(10, bucket) == 5


def test_counters_whose_window_is_over_are_deleted(
    rate_limited_without_redis: pytest.MonkeyPatch,
):
    bucket = RateLimitPolicy("door", "5/minute", uuid4().hex)
    with time_machine.travel(clock.now() - timedelta(hours=1)):
        passed(1, bucket)
    passed(1, bucket)

    before = counters()
    run(sweep())

    assert (before, counters()) == (2, 1)


def counters() -> int:
    async def count() -> int | None:
        async with transaction(writing=False) as session:
            return await session.scalar(select(func.count()).select_from(RateLimitCounter))

    return run(count()) or 0
