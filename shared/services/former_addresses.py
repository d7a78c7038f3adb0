"""What the reader of a mailbox is told who asks about an address whose account is not in use: it
was deleted, or has moved away a short while ago. Answers never tell."""

from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock, settings
from shared.mail.port import Mail
from shared.mail.templates import RESTORE, compose
from shared.models.mail import MailKind
from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.models.user import User, UserStatus
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.services.one_time_tokens import new_token, token_like


async def offer(session: AsyncSession, address: str, user: User | None) -> Mail | None:
    """The mail about an address, in its canonical form, that has no account or a deleted one; None
    if there is nothing to offer."""
    return await (_undo(session, address) if user is None else _restoration(session, user))


async def _restoration(session: AsyncSession, user: User) -> Mail | None:
    """A link that brings a deleted account back; None if it is to be erased, or was disabled.

    Its token resets the password, which proves the mailbox. It works no longer than the account is
    kept, so that asking for one again and again does not put off the erasure.
    """
    now, keep_days = clock.now(), settings.retention().deleted_account_days
    if user.deleted_at is None or user.status is UserStatus.DISABLED:
        return None
    erased_at = user.deleted_at + timedelta(days=keep_days)
    if erased_at <= now:
        return None
    expires_at = min(now + timedelta(seconds=settings.auth().reset_ttl_seconds), erased_at)
    row, token = new_token(user.id, TokenPurpose.RESET_PASSWORD, expires_at=expires_at)
    await OneTimeTokenRepository(session).add(row)
    return compose(RESTORE, user.email, token)


async def _undo(session: AsyncSession, address: str) -> Mail | None:
    """The link that brings back the account which moved away from this address, once more; None if
    there is none, or the time to undo is over."""
    tokens = OneTimeTokenRepository(session)
    found = await tokens.find_reservation(address, now=clock.now())
    pattern = await tokens.lock(found.id) if found is not None else None
    if pattern is None or pattern.email is None:
        return None
    return compose(MailKind.EMAIL_CHANGED, pattern.email, await repeat(session, pattern))


async def repeat(session: AsyncSession, pattern: OneTimeToken) -> str:
    """Another token like one that was promised or sent before."""
    row, token = token_like(pattern)
    await OneTimeTokenRepository(session).add(row)
    return token
