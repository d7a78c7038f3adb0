from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock, email_addresses, settings
from shared.database import transaction
from shared.errors import EmailTaken, InvalidOrExpiredToken
from shared.models.mail import MailKind
from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.users import UserRepository
from shared.security import one_time_tokens
from shared.services.one_time_tokens import new_token
from shared.services.revocation import AccountEvent, revoke
from shared.services.step_up import require_recent_password
from shared.stream import socket_review

CHANGE, UNDO = TokenPurpose.CHANGE_EMAIL, TokenPurpose.UNDO_EMAIL_CHANGE


@dataclass(frozen=True, slots=True)
class Confirmed:
    user_id: UUID
    email: str
    undone: bool


async def request_change(user_id: UUID, session_id: UUID | None, email: str, asker: str) -> None:
    """Send a token to the new address; the old one stays in use until it comes back.

    The answer does not show whether the new address already has an account, or its mailbox has
    reached its limit.

    Raises:
        ReauthenticationRequired: see `require_recent_password`.
    """
    expires_at = clock.now() + timedelta(seconds=settings.auth().email_change_ttl_seconds)
    async with transaction() as session:
        await UserRepository(session).lock(user_id)
        await require_recent_password(session, session_id)
        row, _ = new_token(user_id, CHANGE, expires_at=expires_at, email=email)
        await OneTimeTokenRepository(session).add(row)
        await OutgoingMailRepository(session).request(
            MailKind.CONFIRM_EMAIL_CHANGE, email, asker=asker, token_id=row.id
        )


async def confirm_change(token: str) -> Confirmed:
    """Move an account to the address that the token was sent to; or back, with the token that the
    old address got with its notice.

    Raises:
        TokenAlreadyUsed, InvalidOrExpiredToken: the token does not work.
        EmailTaken: another account has the address, or may come back to it. Its mailbox is told
            which, and how it gets that account back.
    """
    purpose = one_time_tokens.purpose_of(token, among=(CHANGE, UNDO))
    token_hash = one_time_tokens.fingerprint(token, purpose)
    try:
        confirmed = await _confirm(token_hash, purpose)
    except _Taken as taken:
        async with transaction() as session:
            await OutgoingMailRepository(session).add(MailKind.ALREADY_REGISTERED, taken.address)
        raise EmailTaken from None
    if purpose is UNDO:
        await socket_review.request(confirmed.user_id)
    return confirmed


class _Taken(Exception):
    """Another account has the address, in its canonical form, or may come back to it."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address


async def _confirm(token_hash: bytes, purpose: TokenPurpose) -> Confirmed:
    async with transaction() as session:
        tokens = OneTimeTokenRepository(session)
        used = await tokens.consume(token_hash, purpose, now=clock.now())
        left, email = await _move(session, used)
        if purpose is UNDO:
            await _lock_thief_out(session, used)
        else:
            await revoke(session, used.user_id, AccountEvent.ADDRESS_CHANGED)
            if not await _came_back(session, email):
                await _tell_old_address(session, used.user_id, left)
    return Confirmed(used.user_id, email, undone=purpose is UNDO)


async def _move(session: AsyncSession, used: OneTimeToken) -> tuple[str, str]:
    """Move the account to the token's address. Returns its former address and this one."""
    users = UserRepository(session)
    user = await users.get(used.user_id)
    if user is None or used.email is None:
        raise InvalidOrExpiredToken
    if user.deleted_at is not None and used.purpose is not UNDO:
        raise InvalidOrExpiredToken
    left = user.email
    if not await users.change_address(user.id, used.email):
        raise _Taken(email_addresses.canonical(used.email))
    return left, used.email


async def _came_back(session: AsyncSession, address: str) -> bool:
    """Whether the account is back at an address that can still undo its move away from there. Then
    the addresses in between, which may be a thief's, can no longer undo anything."""
    tokens = OneTimeTokenRepository(session)
    undoing = await tokens.find_reservation(email_addresses.canonical(address), now=clock.now())
    if undoing is None:
        return False
    await tokens.delete_later(undoing)
    return True


async def _tell_old_address(session: AsyncSession, user_id: UUID, address: str) -> None:
    """Send the old address the token that undoes the change; as long as it works, the address is
    reserved for the account."""
    expires_at = clock.now() + timedelta(seconds=settings.auth().email_undo_ttl_seconds)
    row, _ = new_token(
        user_id,
        UNDO,
        expires_at=expires_at,
        email=address,
        reserved_address=email_addresses.canonical(address),
    )
    await OneTimeTokenRepository(session).add(row)
    await OutgoingMailRepository(session).add(MailKind.EMAIL_CHANGED, address, token_id=row.id)


async def _lock_thief_out(session: AsyncSession, used: OneTimeToken) -> None:
    """Remove the password, which whoever changed the address knew; the owner gets a mail to choose
    another. A deletion is undone, too, and later addresses can no longer undo anything."""
    users = UserRepository(session)
    await users.reopen_without_password(used.user_id)
    tokens = OneTimeTokenRepository(session)
    await tokens.delete_later(used)
    await tokens.delete_copies(used)
    await revoke(session, used.user_id, AccountEvent.CHANGE_UNDONE)
    user = await users.get_fresh(used.user_id)
    await OutgoingMailRepository(session).add(MailKind.RESET_PASSWORD, user.email_canonical)
