from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Row, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.models.session import UserSession
from shared.models.user import User


class RevokeReason(StrEnum):
    LOGOUT = "logout"
    NEW_LOGIN = "new_login"
    REUSE = "reuse"
    PASSWORD_CHANGE = "password_change"  # noqa: S105 - a reason, no password
    PASSWORD_RESET = "password_reset"  # noqa: S105
    EMAIL_UNDO = "email_undo"
    ACCOUNT_DELETED = "account_deleted"


class SessionRepository:
    """Every query on sign-ins."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, user_session: UserSession) -> None:
        self._session.add(user_session)
        await self._session.flush()

    async def get(self, session_id: UUID) -> UserSession | None:
        return await self._session.get(UserSession, session_id)

    async def get_with_user(self, session_id: UUID) -> Row[UserSession, User] | None:
        found = await self._session.execute(
            select(UserSession, User)
            .join(User, User.id == UserSession.user_id)
            .where(UserSession.id == session_id)
        )
        return found.one_or_none()

    async def rotate(
        self,
        session_id: UUID,
        *,
        from_generation: int,
        token_hash: bytes,
        now: datetime,
        idle_expires_at: datetime,
    ) -> UserSession | None:
        """Move a live session to its next generation; None if it is no longer at this one.

        One statement, so that of many who try only one succeeds.
        """
        return await self._session.scalar(
            update(UserSession)
            .where(
                UserSession.id == session_id,
                UserSession.generation == from_generation,
                UserSession.revoked_at.is_(None),
            )
            .values(
                generation=from_generation + 1,
                refresh_token_hash=token_hash,
                rotated_at=now,
                idle_expires_at=idle_expires_at,
            )
            .returning(UserSession)
        )

    async def revoke(self, session_id: UUID, reason: RevokeReason, *, now: datetime) -> None:
        """End a session; the first reason stays."""
        await self._session.execute(
            update(UserSession)
            .where(UserSession.id == session_id, UserSession.revoked_at.is_(None))
            .values(revoked_at=now, revoke_reason=reason)
        )

    async def revoke_all(
        self, user_id: UUID, reason: RevokeReason, *, now: datetime, except_for: UUID | None = None
    ) -> None:
        """End every session of a user, or every other."""
        ended = update(UserSession).where(
            UserSession.user_id == user_id, UserSession.revoked_at.is_(None)
        )
        if except_for is not None:
            ended = ended.where(UserSession.id != except_for)
        await self._session.execute(ended.values(revoked_at=now, revoke_reason=reason))
