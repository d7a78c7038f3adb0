import hashlib
import hmac
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NoReturn
from uuid import UUID

from shared import clock
from shared.database import transaction
from shared.errors import InvalidRefreshToken, RefreshTokenReused
from shared.limits import policies, rate_limits
from shared.models.mail import MailKind
from shared.models.session import RevokeReason, UserSession
from shared.models.user import User
from shared.repositories.api_keys import ApiKeyRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.sessions import SessionRepository
from shared.security import refresh_tokens
from shared.security.refresh_tokens import RefreshToken
from shared.services.revocation import AccountEvent, revoke
from shared.services.sessions import IssuedTokens, idle_expiry, is_alive, issue_tokens

# A page's other tabs may still send the cookie that one of them has just exchanged, and a page
# whose answer was lost has no other cookie to send.
OWN_PAGE_GRACE = timedelta(minutes=1)
# A tab that already has the new cookie need not exchange it at once.
OTHER_TAB_GRACE = timedelta(seconds=10)
RETRY_GRACE = timedelta(hours=24)
CLOCK_READINGS, QUICK_READING_SECONDS = 5, 0.003
CLOCK_RESOLUTION = timedelta(milliseconds=1)  # SQLite's


@dataclass(frozen=True, slots=True)
class Attempt:
    """The circumstances of a refresh request.

    `from_own_page` is true if the browser's headers say that a page of this site sent the cookie;
    `arrived` is when this process received the request, by `time.monotonic`.
    """

    idempotency_key: str | None = None
    from_own_page: bool = False
    arrived: float = field(default_factory=time.monotonic)

    def fingerprint(self, session_id: UUID) -> bytes | None:
        """A hash that identifies repetitions of this attempt; None if the client sent no key."""
        if self.idempotency_key is None:
            return None
        return hashlib.sha256(session_id.bytes + self.idempotency_key.encode()).digest()


@dataclass(frozen=True, slots=True)
class _Sight:
    """The session as a request first saw it; both times are the database's."""

    user_session: UserSession
    user: User
    arrived_at: datetime
    seen_at: datetime


async def refresh(token: str, attempt: Attempt) -> IssuedTokens:
    """Exchange the current refresh token for the next one and a new access token.

    A token that comes a second time is in two hands, so its session ends at once. There are three
    exceptions. A page of this site may send the token again within a minute, and any client may
    repeat a request whose answer was lost, with its Idempotency-Key: both only while nobody has
    used the successor. And two requests may overlap. All of them get the same successor.

    Raises:
        InvalidRefreshToken: not a token of a live session; nothing changes.
        RefreshTokenReused: an older token of a live session, which has now been ended.
        RateLimited: too many for this session.
    """
    presented = refresh_tokens.parse(token)
    sight = await _look(presented, attempt)
    await rate_limits.hit(policies.refresh(presented.session_id))
    if presented.generation < sight.user_session.generation:
        if not _may_repeat(presented, attempt, sight):
            await _end_reused(presented.session_id, sight.user)
        return issue_tokens(sight.user_session, sight.user)
    stored = sight.user_session.refresh_token_hash
    if not hmac.compare_digest(refresh_tokens.fingerprint(token), stored):
        raise InvalidRefreshToken
    if attempt.from_own_page and _was_just_rotated(sight):
        return issue_tokens(sight.user_session, sight.user)
    return issue_tokens(await _advance(sight.user_session, sight.user, attempt), sight.user)


async def _look(presented: RefreshToken, attempt: Attempt) -> _Sight:
    async with transaction(writing=False) as session:
        sessions = SessionRepository(session)
        found = await sessions.get_with_user(presented.session_id)
        now, read_by = await _read_clock(sessions)
    if found is None:
        raise InvalidRefreshToken
    user_session, user = found
    waited = timedelta(seconds=read_by - attempt.arrived)
    if not presented.is_authentic(user_session.salt) or not is_alive(user_session, user):
        raise InvalidRefreshToken
    return _Sight(user_session, user, arrived_at=now - waited, seen_at=now)


async def _read_clock(sessions: SessionRepository) -> tuple[datetime, float]:
    """The database's time, and the latest local time at which it can have been read. A slow reading
    says little, so the quickest of a few counts."""
    readings = []
    for _ in range(CLOCK_READINGS):
        asked = time.monotonic()
        now, answered = await sessions.database_time(), time.monotonic()
        readings.append((answered - asked, now, answered))
        if answered - asked < QUICK_READING_SECONDS:
            break
    _, now, answered = min(readings)
    return now, answered


def _was_just_rotated(sight: _Sight) -> bool:
    """Whether another tab of the page exchanged the cookie a moment ago. Another rotation would
    make a late third tab, which still sends the first cookie, look like a thief."""
    rotated_at = sight.user_session.rotated_at
    return rotated_at is not None and sight.seen_at - rotated_at <= OTHER_TAB_GRACE


def _may_repeat(presented: RefreshToken, attempt: Attempt, sight: _Sight) -> bool:
    """Whether this token, no longer the current one, may be answered with its successor."""
    user_session = sight.user_session
    rotated_at = user_session.rotated_at
    if presented.generation + 1 != user_session.generation or rotated_at is None:
        return False
    if sight.arrived_at + CLOCK_RESOLUTION < rotated_at:
        return True
    if user_session.confirmed_generation == user_session.generation:
        return False
    age = sight.seen_at - rotated_at
    if attempt.from_own_page and age <= OWN_PAGE_GRACE:
        return True
    named = attempt.fingerprint(user_session.id)
    return named is not None and named == user_session.attempt_hash and age <= RETRY_GRACE


async def _advance(seen: UserSession, owner: User, attempt: Attempt) -> UserSession:
    """The session at the generation after the one seen, whoever moved it there."""
    now, next_generation = clock.now(), seen.generation + 1
    token = refresh_tokens.derive(seen.id, next_generation, seen.salt)
    async with transaction() as session:
        sessions = SessionRepository(session)
        moved = await sessions.rotate(
            seen.id,
            from_generation=seen.generation,
            token_hash=refresh_tokens.fingerprint(token),
            attempt_hash=attempt.fingerprint(seen.id),
            idle_expires_at=idle_expiry(now, seen.absolute_expires_at),
        )
        found = moved or await sessions.get(seen.id)
    if found is None or found.revoked_at is not None:
        raise InvalidRefreshToken
    if found.generation != next_generation:
        await _end_reused(found.id, owner)
    return found


async def _end_reused(session_id: UUID, owner: User) -> NoReturn:
    async with transaction() as session:
        if await SessionRepository(session).revoke(session_id, RevokeReason.REUSE, now=clock.now()):
            await revoke(session, owner.id, AccountEvent.SIGN_IN_ENDED)
            await ApiKeyRepository(session, owner_id=owner.id).revoke_those_made_by(session_id)
            await OutgoingMailRepository(session).add(MailKind.SESSION_REUSED, owner.email)
    raise RefreshTokenReused
