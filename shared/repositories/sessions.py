from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Integer, Row, Select, bindparam, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.database import execute
from shared.models.base import database_now, table_of, values_of
from shared.models.session import RevokeReason, UserSession
from shared.models.user import User

LAST_USED_FIRST = (
    func.coalesce(UserSession.rotated_at, UserSession.created_at).desc(),
    UserSession.id,
)


# What every sign-in, refresh and first use asks: built once.
_sessions = table_of(UserSession)
_NEW = insert(_sessions)
_WITH_USER = (
    select(UserSession, User)
    .join(User, User.id == UserSession.user_id)
    .where(UserSession.id == bindparam("session"))
)
_NOW = select(database_now())
_LIVE = (
    select(_sessions.c.id)
    .where(
        _sessions.c.user_id == bindparam("user"),
        _sessions.c.revoked_at.is_(None),
        _sessions.c.idle_expires_at > bindparam("now"),
        _sessions.c.absolute_expires_at > bindparam("now"),
    )
    .order_by(func.coalesce(_sessions.c.rotated_at, _sessions.c.created_at).desc(), _sessions.c.id)
    .offset(bindparam("kept", type_=Integer))
)
_CONFIRMED = (
    update(_sessions)
    .where(
        _sessions.c.id == bindparam("session"),
        _sessions.c.confirmed_generation < bindparam("reached"),
    )
    .values(confirmed_generation=bindparam("reached"))
)
_ROTATED = (
    update(UserSession)
    .where(
        UserSession.id == bindparam("session"),
        UserSession.generation == bindparam("from_generation"),
        UserSession.revoked_at.is_(None),
    )
    .values(
        generation=UserSession.generation + 1,
        refresh_token_hash=bindparam("token_hash"),
        attempt_hash=bindparam("attempt"),
        rotated_at=database_now(),
        idle_expires_at=bindparam("idle_until"),
    )
    .returning(UserSession)
    .execution_options(synchronize_session=False, populate_existing=True)
)


class SessionRepository:
    """Every query on sign-ins."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, user_session: UserSession) -> None:
        await execute(self._session, _NEW, values_of(user_session))

    async def get(self, session_id: UUID) -> UserSession | None:
        return await self._session.get(UserSession, session_id)

    async def get_with_user(self, session_id: UUID) -> Row[UserSession, User] | None:
        found = await self._session.execute(_WITH_USER, {"session": session_id})
        return found.one_or_none()

    async def database_time(self) -> datetime:
        """The time of the database's clock, which times rotations."""
        found = await self._session.execute(_NOW)
        return found.scalar_one()

    async def live(self, user_id: UUID, *, now: datetime) -> Sequence[UserSession]:
        """A user's sign-ins that have neither ended nor expired, most recently used first."""
        found = await self._session.scalars(_live(user_id, now).order_by(*LAST_USED_FIRST))
        return found.all()

    async def evict(self, user_id: UUID, *, kept: int, now: datetime) -> None:
        """End the least recently used live sign-ins of a user, down to this number."""
        # Two statements: PostgreSQL takes the busiest user's past sign-ins for live ones, and would
        # read the whole table to join them.
        surplus = {"user": user_id, "now": now, "kept": kept}
        ids = (await execute(self._session, _LIVE, surplus)).scalars().all()
        if not ids:
            return
        await self._session.execute(
            update(UserSession)
            .where(UserSession.id.in_(ids))
            .values(revoked_at=now, revoke_reason=RevokeReason.EVICTED)
            .execution_options(synchronize_session=False)
        )

    async def confirm(self, session_id: UUID, generation: int) -> None:
        """Note that the tokens of a generation have arrived."""
        await self._session.execute(_CONFIRMED, {"session": session_id, "reached": generation})

    async def rotate(
        self,
        session_id: UUID,
        *,
        from_generation: int,
        token_hash: bytes,
        attempt_hash: bytes | None,
        idle_expires_at: datetime,
    ) -> UserSession | None:
        """Move a live session to its next generation; None if it is no longer at this one.

        This is one statement, so that only one of many concurrent attempts succeeds.
        """
        return await self._session.scalar(
            _ROTATED,
            {
                "session": session_id,
                "from_generation": from_generation,
                "token_hash": token_hash,
                "attempt": attempt_hash,
                "idle_until": idle_expires_at,
            },
        )

    async def set_auth_time(self, session_id: UUID, now: datetime) -> None:
        """Note that the password was entered again."""
        await self._session.execute(
            update(UserSession).where(UserSession.id == session_id).values(auth_time=now)
        )

    async def revoke(self, session_id: UUID, reason: RevokeReason, *, now: datetime) -> bool:
        """End a session. False if it had already ended; it keeps its first reason."""
        ended = await self._session.scalar(
            update(UserSession)
            .where(UserSession.id == session_id, UserSession.revoked_at.is_(None))
            .values(revoked_at=now, revoke_reason=reason)
            .returning(UserSession.id)
        )
        return ended is not None

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


def _live(user_id: UUID, now: datetime) -> Select[UserSession]:
    return select(UserSession).where(
        UserSession.user_id == user_id,
        UserSession.revoked_at.is_(None),
        UserSession.idle_expires_at > now,
        UserSession.absolute_expires_at > now,
    )
