from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.rate_limit_counter import RateLimitCounter

# SQLAlchemy has no upsert that works with all databases.
INSERT: Mapping[str, Callable[[type[RateLimitCounter]], postgresql.Insert | sqlite.Insert]] = {
    "postgresql": postgresql.insert,
    "sqlite": sqlite.insert,
}


class RateLimitCounterRepository:
    """Every query on counters of fixed windows."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def count(self, bucket: bytes, *, window_start: datetime, expires_at: datetime) -> int:
        """Count one more and return the new count, in one statement, so that no count is lost."""
        insert = INSERT[self._session.get_bind().dialect.name]
        counted = await self._session.execute(
            insert(RateLimitCounter)
            .values(bucket=bucket, window_start=window_start, expires_at=expires_at)
            .on_conflict_do_update(
                index_elements=[RateLimitCounter.bucket, RateLimitCounter.window_start],
                set_={"count": RateLimitCounter.count + 1},
            )
            .returning(RateLimitCounter.count)
        )
        return counted.scalar_one()

    async def get(self, bucket: bytes, *, window_start: datetime) -> int:
        counted = await self._session.scalar(
            select(RateLimitCounter.count).where(
                RateLimitCounter.bucket == bucket, RateLimitCounter.window_start == window_start
            )
        )
        return counted or 0

    async def take_back(self, bucket: bytes, *, window_start: datetime) -> None:
        await self._session.execute(
            update(RateLimitCounter)
            .where(
                RateLimitCounter.bucket == bucket,
                RateLimitCounter.window_start == window_start,
                RateLimitCounter.count > 0,
            )
            .values(count=RateLimitCounter.count - 1)
        )

    async def forget(self, bucket: bytes) -> None:
        await self._session.execute(
            delete(RateLimitCounter).where(RateLimitCounter.bucket == bucket)
        )
