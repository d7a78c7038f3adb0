import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID, uuid4

from shared import clock, settings
from shared.database import transaction
from shared.errors import InvalidRefreshToken, InvalidToken, SessionNotFound
from shared.models.session import RevokeReason, UserSession
from shared.models.user import User, UserStatus
from shared.repositories.api_keys import ApiKeyRepository
from shared.repositories.sessions import SessionRepository
from shared.repositories.sign_ins import KeyInUse, SignIn, Standing
from shared.security import access_tokens, refresh_tokens
from shared.security.access_tokens import AccessClaims
from shared.services.revocation import AccountEvent, revoke
from shared.stream import socket_review


@dataclass(frozen=True, slots=True)
class Client:
    """Where a sign-in comes from, as its owner sees it later."""

    ip: str | None
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    user: User
    session_id: UUID
    access_token: str
    access_seconds: int
    refresh_token: str
    refresh_seconds: int
    remember: bool


class LogoutScope(StrEnum):
    LOCAL = "local"
    OTHERS = "others"
    GLOBAL = "global"


def is_alive(user_session: UserSession | SignIn, user: User | SignIn) -> bool:
    """Whether a sign-in is valid: it has neither ended nor expired, and its account is in use."""
    expires_at = min(user_session.idle_expires_at, user_session.absolute_expires_at)
    return user_session.revoked_at is None and clock.now() < expires_at and is_in_use(user)


def is_in_use(user: User | SignIn | Standing | KeyInUse) -> bool:
    return user.status is UserStatus.ACTIVE and user.deleted_at is None


def idle_expiry(now: datetime, absolute_expires_at: datetime) -> datetime:
    """When a session that is used now expires, unless it is used again."""
    idle = timedelta(seconds=settings.auth().refresh_idle_seconds)
    return min(now + idle, absolute_expires_at)


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
        idle_expires_at=idle_expiry(now, absolute_expires_at),
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
        session_id=user_session.id,
        access_token=access_token,
        access_seconds=_seconds_until(access_expires_at, now),
        refresh_token=refresh_tokens.derive(
            user_session.id, user_session.generation, user_session.salt
        ),
        refresh_seconds=_seconds_until(user_session.idle_expires_at, now),
        remember=user_session.remember,
    )


def is_accepted(
    claims: AccessClaims, user_session: UserSession | SignIn, user: User | SignIn
) -> bool:
    """Whether an access token counts: its session is alive, and the token is of the account's
    present epoch."""
    if user_session.user_id != claims.user_id or user.auth_epoch != claims.epoch:
        return False
    return is_alive(user_session, user)


async def confirm(claims: AccessClaims, sign_in: SignIn) -> None:
    """The first use of a generation's access token shows that the client has its refresh token too:
    from then on the previous refresh token is refused."""
    if claims.generation > sign_in.confirmed_generation:
        async with transaction() as session:
            await SessionRepository(session).confirm(claims.session_id, claims.generation)


async def live_sessions(user_id: UUID) -> Sequence[UserSession]:
    """Where a user is signed in, the one used last first."""
    async with transaction(writing=False) as session:
        return await SessionRepository(session).live(user_id, now=clock.now())


async def end_session(user_id: UUID, session_id: UUID) -> None:
    """End one of a user's sign-ins.

    Raises:
        SessionNotFound: there is no such session, it has ended, or it is somebody else's.
    """
    async with transaction() as session:
        live = await SessionRepository(session).live(user_id, now=clock.now())
        if session_id not in {each.id for each in live}:
            raise SessionNotFound
        await SessionRepository(session).revoke(session_id, RevokeReason.LOGOUT, now=clock.now())
        await revoke(session, user_id, AccountEvent.SIGN_IN_ENDED)
        await ApiKeyRepository(session, owner_id=user_id).revoke_those_made_by(session_id)
    await socket_review.request(user_id)


async def log_out(
    refresh_texts: Iterable[str], access_texts: Iterable[str], scope: LogoutScope
) -> Sequence[UserSession]:
    """End the sessions that these tokens name, and return them. A wider scope also ends other
    sessions of the user, if a token is still good for more than ending its own.

    Tokens that name no session are ignored, and an access token may have expired: signing out
    always works. But who has found an old token must not sign its owner out everywhere.
    """
    async with transaction() as session:
        sessions = SessionRepository(session)
        found = [await _named_by_refresh_token(sessions, text) for text in refresh_texts]
        found += [await _named_by_access_token(sessions, text) for text in access_texts]
        named = [each for each in found if each is not None]
        proven = next((each.user_session for each in named if each.is_proven), None)
        if scope is LogoutScope.GLOBAL and proven is not None:
            await revoke(session, proven.user_id, AccountEvent.SIGNED_OUT_EVERYWHERE)
        elif scope is LogoutScope.OTHERS:
            if proven is not None:  # this session's own access token goes on
                await revoke(session, proven.user_id, AccountEvent.SIGN_IN_ENDED)
                keys = ApiKeyRepository(session, owner_id=proven.user_id)
                await keys.revoke_those_made_elsewhere(proven.id, now=clock.now())
                await sessions.revoke_all(
                    proven.user_id, RevokeReason.LOGOUT, now=clock.now(), except_for=proven.id
                )
        else:
            for each in named:
                await sessions.revoke(each.user_session.id, RevokeReason.LOGOUT, now=clock.now())
    ended = [each.user_session for each in named]
    for user_id in {user_session.user_id for user_session in ended}:
        await socket_review.request(user_id)
    return ended


async def find_authentic(sessions: SessionRepository, text: str) -> UserSession | None:
    """The session that a refresh token was derived for, even if it has ended."""
    found = await _named_by_refresh_token(sessions, text)
    return None if found is None else found.user_session


@dataclass(frozen=True, slots=True)
class _Named:
    """The session that a token names. The token `is_proven` if it would be accepted now: neither
    expired nor followed by another, and of a session that is alive."""

    user_session: UserSession
    is_proven: bool


async def _named_by_refresh_token(sessions: SessionRepository, text: str) -> _Named | None:
    try:
        presented = refresh_tokens.parse(text)
    except InvalidRefreshToken:
        return None
    found = await sessions.get_with_user(presented.session_id)
    if found is None:
        return None
    user_session, user = found
    if not presented.is_authentic(user_session.salt):
        return None
    is_current = presented.generation == user_session.generation
    return _Named(user_session, is_current and is_alive(user_session, user))


async def _named_by_access_token(sessions: SessionRepository, text: str) -> _Named | None:
    try:
        claims = access_tokens.read(text, even_expired=True)
    except InvalidToken:
        return None
    found = await sessions.get_with_user(claims.session_id)
    if found is None:
        return None
    user_session, user = found
    return _Named(user_session, claims.has_not_expired and is_accepted(claims, user_session, user))


def _seconds_until(moment: datetime, now: datetime) -> int:
    return max(0, math.ceil((moment - now).total_seconds()))
