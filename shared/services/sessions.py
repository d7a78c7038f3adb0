import hmac
import math
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from shared import clock, settings
from shared.database import transaction
from shared.errors import InvalidRefreshToken, InvalidToken, RefreshTokenReused
from shared.models.session import UserSession
from shared.models.user import User, UserStatus
from shared.repositories.sessions import RevokeReason, SessionRepository
from shared.repositories.users import UserRepository
from shared.security import access_tokens, refresh_tokens
from shared.security.refresh_tokens import RefreshToken
from shared.services import open_sockets


@dataclass(frozen=True, slots=True)
class Client:
    """Where a sign-in comes from, as shown to its owner later."""

    ip: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    user: User
    access_token: str
    access_seconds: int
    refresh_token: str
    refresh_seconds: int
    remember: bool


class LogoutScope(StrEnum):
    LOCAL = "local"
    OTHERS = "others"
    GLOBAL = "global"


def is_alive(user_session: UserSession, user: User) -> bool:
    """Whether a sign-in still counts: neither ended nor expired, of an account in use."""
    expires_at = min(user_session.idle_expires_at, user_session.absolute_expires_at)
    return user_session.revoked_at is None and clock.now() < expires_at and is_in_use(user)


def is_in_use(user: User) -> bool:
    return user.status is UserStatus.ACTIVE and user.deleted_at is None


def new_session(user: User, client: Client, *, remember: bool) -> UserSession:
    """A fresh sign-in at generation 0; one that is not remembered ends within a day."""
    configured, now, session_id = settings.auth(), clock.now(), uuid4()
    salt = secrets.token_bytes(refresh_tokens.SALT_BYTES)
    token = refresh_tokens.derive(session_id, 0, salt)
    lifetime = configured.refresh_absolute_seconds if remember else configured.unremembered_seconds
    absolute_expires_at = now + timedelta(seconds=lifetime)
    return UserSession(
        id=session_id,
        user_id=user.id,
        generation=0,
        salt=salt,
        refresh_token_hash=refresh_tokens.fingerprint(token),
        remember=remember,
        ip=client.ip,
        user_agent=client.user_agent,
        auth_time=now,
        idle_expires_at=_idle_expiry(now, absolute_expires_at),
        absolute_expires_at=absolute_expires_at,
    )


def issue_tokens(user_session: UserSession, user: User) -> IssuedTokens:
    """The access and refresh token of the session's present generation."""
    now = clock.now()
    access_expires_at = min(
        now + timedelta(seconds=settings.auth().access_ttl_seconds),
        user_session.absolute_expires_at,
    )
    access_token = access_tokens.issue(
        user_id=user.id,
        session_id=user_session.id,
        generation=user_session.generation,
        epoch=user.auth_epoch,
        authenticated_at=user_session.auth_time,
        expires_at=access_expires_at,
    )
    return IssuedTokens(
        user=user,
        access_token=access_token,
        access_seconds=_seconds_until(access_expires_at, now),
        refresh_token=refresh_tokens.derive(
            user_session.id, user_session.generation, user_session.salt
        ),
        refresh_seconds=_seconds_until(user_session.idle_expires_at, now),
        remember=user_session.remember,
    )


async def refresh(token: str) -> IssuedTokens:
    """Exchange the current refresh token for the next one and a new access token.

    A token that was exchanged before is in two hands, so its session ends at once. Requests that
    truly overlap are no such case: they all get the one token that follows.

    Raises:
        InvalidRefreshToken: not a token of a live session; nothing changes.
        RefreshTokenReused: an older token of a live session, which has now been ended.
    """
    presented = refresh_tokens.parse(token)
    user_session, user = await _load_live(presented)
    if presented.generation < user_session.generation:
        await _end_reused(user_session.id)
    if not hmac.compare_digest(refresh_tokens.fingerprint(token), user_session.refresh_token_hash):
        raise InvalidRefreshToken
    return issue_tokens(await _advance(user_session), user)


async def log_out(
    refresh_texts: Iterable[str], access_texts: Iterable[str], scope: LogoutScope
) -> None:
    """End the sessions that these tokens name; with a wider scope, others of the user too.

    Tokens that name none are passed over, and an access token may have expired: who wants to
    leave is never held back.
    """
    async with transaction() as session:
        sessions = SessionRepository(session)
        found = [await find_authentic(sessions, text) for text in refresh_texts]
        found += [await _find_by_access_token(sessions, text) for text in access_texts]
        named = [user_session for user_session in found if user_session is not None]
        if scope is LogoutScope.LOCAL:
            for user_session in named:
                await sessions.revoke(user_session.id, RevokeReason.LOGOUT, now=clock.now())
        elif named:
            await _end_widely(sessions, UserRepository(session), named[0], scope)
    for user_id in {user_session.user_id for user_session in named}:
        await open_sockets.review(user_id)


async def find_authentic(sessions: SessionRepository, text: str) -> UserSession | None:
    """The session that a refresh token was derived for, whatever became of it since."""
    try:
        presented = refresh_tokens.parse(text)
    except InvalidRefreshToken:
        return None
    found = await sessions.get(presented.session_id)
    return found if found is not None and presented.is_authentic(found.salt) else None


async def _load_live(presented: RefreshToken) -> tuple[UserSession, User]:
    async with transaction(writing=False) as session:
        found = await SessionRepository(session).get_with_user(presented.session_id)
    if found is None:
        raise InvalidRefreshToken
    user_session, user = found
    if not presented.is_authentic(user_session.salt) or not is_alive(user_session, user):
        raise InvalidRefreshToken
    return user_session, user


async def _advance(seen: UserSession) -> UserSession:
    """The session at the generation after the one seen, whoever moved it there."""
    now, next_generation = clock.now(), seen.generation + 1
    token = refresh_tokens.derive(seen.id, next_generation, seen.salt)
    async with transaction() as session:
        sessions = SessionRepository(session)
        moved = await sessions.rotate(
            seen.id,
            from_generation=seen.generation,
            token_hash=refresh_tokens.fingerprint(token),
            now=now,
            idle_expires_at=_idle_expiry(now, seen.absolute_expires_at),
        )
        found = moved or await sessions.get(seen.id)
    if found is None or found.revoked_at is not None:
        raise InvalidRefreshToken
    if found.generation != next_generation:
        await _end_reused(found.id)
    return found


async def _end_reused(session_id: UUID) -> None:
    async with transaction() as session:
        await SessionRepository(session).revoke(session_id, RevokeReason.REUSE, now=clock.now())
    raise RefreshTokenReused


async def _find_by_access_token(sessions: SessionRepository, text: str) -> UserSession | None:
    try:
        claims = access_tokens.read(text, even_expired=True)
    except InvalidToken:
        return None
    return await sessions.get(claims.session_id)


async def _end_widely(
    sessions: SessionRepository, users: UserRepository, mine: UserSession, scope: LogoutScope
) -> None:
    if mine.revoked_at is not None:
        return
    kept = mine.id if scope is LogoutScope.OTHERS else None
    await sessions.revoke_all(mine.user_id, RevokeReason.LOGOUT, now=clock.now(), except_for=kept)
    if scope is LogoutScope.GLOBAL:
        await users.raise_epoch(mine.user_id)


def _idle_expiry(now: datetime, absolute_expires_at: datetime) -> datetime:
    idle = timedelta(seconds=settings.auth().refresh_idle_seconds)
    return min(now + idle, absolute_expires_at)


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(0, math.ceil((moment - now).total_seconds()))
