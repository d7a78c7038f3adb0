from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.errors import ApiKeyNotFound
from shared.models.api_key import ApiKey
from shared.models.session import UserSession


class ApiKeyRepository:
    """Every query on the API keys of one user, who must be locked where one is added."""

    def __init__(self, session: AsyncSession, *, owner_id: UUID) -> None:
        self._session = session
        self._owner_id = owner_id

    async def add(self, key: ApiKey) -> ApiKey:
        """The key as the database has it."""
        self._session.add(key)
        await self._session.flush()
        await self._session.refresh(key)
        return key

    async def live(self, *, now: datetime) -> Sequence[ApiKey]:
        """Those that work, the newest first."""
        found = await self._session.scalars(
            select(ApiKey)
            .where(ApiKey.user_id == self._owner_id, _lives(now))
            .order_by(ApiKey.created_at.desc(), ApiKey.id)
        )
        return found.all()

    async def count(self, *, now: datetime) -> int:
        """How many work."""
        counted = await self._session.scalar(
            select(func.count())
            .select_from(ApiKey)
            .where(ApiKey.user_id == self._owner_id, _lives(now))
        )
        return counted or 0

    async def note_use(self, key_id: UUID, *, now: datetime, unless_since: datetime) -> None:
        """Note that a key is used, unless that was noted since then."""
        await self._session.execute(
            update(ApiKey)
            .where(
                ApiKey.id == key_id,
                or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < unless_since),
            )
            .values(last_used_at=now)
            .execution_options(synchronize_session=False)
        )

    async def revoke(self, key_id: UUID) -> None:
        """
        Raises:
            ApiKeyNotFound: it is missing or somebody else's; nobody learns which.
        """
        if not await self._delete(ApiKey.id == key_id):
            raise ApiKeyNotFound

    async def revoke_all(self) -> None:
        await self._delete()

    async def revoke_those_made_by(self, session_id: UUID) -> None:
        """Revoke the keys that a sign-in made."""
        await self._delete(ApiKey.made_by == session_id)

    async def revoke_those_made_elsewhere(self, session_id: UUID, *, now: datetime) -> None:
        """Revoke the keys that the other sign-ins made which are alive."""
        others = select(UserSession.id).where(
            UserSession.user_id == self._owner_id,
            UserSession.id != session_id,
            UserSession.revoked_at.is_(None),
            UserSession.idle_expires_at > now,
            UserSession.absolute_expires_at > now,
        )
        await self._delete(ApiKey.made_by.in_(others))

    async def _delete(self, *conditions: ColumnElement[bool]) -> bool:
        """Whether there was one."""
        deleted = await self._session.scalars(
            delete(ApiKey)
            .where(ApiKey.user_id == self._owner_id, *conditions)
            .returning(ApiKey.id)
            .execution_options(synchronize_session=False)
        )
        return bool(deleted.all())


def _lives(now: datetime) -> ColumnElement[bool]:
    return or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > now)
