from datetime import datetime
from uuid import UUID

from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.one_time_token import OneTimeToken, TokenPurpose


class OneTimeTokenRepository:
    """Every query on tokens that work once."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, token: OneTimeToken) -> None:
        self._session.add(token)
        await self._session.flush()

    async def consume(
        self, token_hash: bytes, purpose: TokenPurpose, *, now: datetime
    ) -> Row[UUID, UUID, str | None] | None:
        """Use a token up: (its id, its user, its password hash), or None if it does not work.

        One statement, so that of many who try only one succeeds.
        """
        consumed = await self._session.execute(
            update(OneTimeToken)
            .where(
                OneTimeToken.token_hash == token_hash,
                OneTimeToken.purpose == purpose,
                OneTimeToken.consumed_at.is_(None),
                OneTimeToken.expires_at > now,
            )
            .values(consumed_at=now)
            .returning(OneTimeToken.id, OneTimeToken.user_id, OneTimeToken.password_hash)
        )
        return consumed.one_or_none()

    async def was_consumed(self, token_hash: bytes, purpose: TokenPurpose) -> bool:
        found = await self._session.scalar(
            select(OneTimeToken.id).where(
                OneTimeToken.token_hash == token_hash,
                OneTimeToken.purpose == purpose,
                OneTimeToken.consumed_at.is_not(None),
            )
        )
        return found is not None

    async def delete_others(self, user_id: UUID, purpose: TokenPurpose, *, kept: UUID) -> None:
        """Remove a user's other tokens of a purpose. One that another transaction is just using
        is left to it: waiting for it here could wait for each other."""
        others = (
            select(OneTimeToken.id)
            .where(
                OneTimeToken.user_id == user_id,
                OneTimeToken.purpose == purpose,
                OneTimeToken.id != kept,
            )
            .with_for_update(skip_locked=True)
        )
        await self._session.execute(delete(OneTimeToken).where(OneTimeToken.id.in_(others)))
