from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.base import database_now
from shared.models.task import IdempotencyKey


class IdempotencyKeyRepository:
    """The idempotency keys of one user, each with the answer to its first request."""

    def __init__(self, session: AsyncSession, *, owner_id: UUID) -> None:
        self.session = session
        self.owner_id = owner_id

    async def get(self, key: str) -> IdempotencyKey | None:
        """The key, unless it has expired."""
        return await self.session.scalar(
            select(IdempotencyKey).where(
                IdempotencyKey.user_id == self.owner_id,
                IdempotencyKey.key == key,
                IdempotencyKey.expires_at > database_now(),
            )
        )

    async def add(
        self,
        key: str,
        *,
        fingerprint: bytes,
        task_id: UUID,
        status_code: int,
        body: dict[str, Any],
        ttl_seconds: float,
    ) -> None:
        """Store an answer; an expired key of this name is replaced."""
        await self.session.execute(
            delete(IdempotencyKey).where(
                IdempotencyKey.user_id == self.owner_id,
                IdempotencyKey.key == key,
                IdempotencyKey.expires_at <= database_now(),
            )
        )
        self.session.add(
            IdempotencyKey(
                user_id=self.owner_id,
                key=key,
                fingerprint=fingerprint,
                task_id=task_id,
                status_code=status_code,
                body=body,
                expires_at=database_now(ttl_seconds),
            )
        )
