from uuid import UUID

from shared import clock
from shared.database import transaction
from shared.errors import InvalidCredentials, InvalidOrExpiredToken
from shared.models.mail import MailKind
from shared.models.one_time_token import TokenPurpose
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.sessions import SessionRepository
from shared.repositories.users import UserRepository
from shared.security import one_time_tokens
from shared.security.password_policy import check_new_password
from shared.security.passwords import PasswordHasher
from shared.services.one_time_tokens import ProvenMailbox
from shared.services.reauthentication import WRONG_PASSWORD, check_current_password
from shared.services.revocation import AccountEvent, revoke
from shared.services.sessions import (
    Client,
    IssuedTokens,
    issue_tokens,
    new_session,
)
from shared.stream import socket_review

RESET = TokenPurpose.RESET_PASSWORD


async def change_password(
    user_id: UUID,
    session_id: UUID | None,
    *,
    current: str,
    new: str,
    client: Client,
    hasher: PasswordHasher,
) -> IssuedTokens:
    """Replace the password. Every session ends; the caller continues with a fresh one.

    Raises:
        RateLimited: too many tries.
        InvalidCredentials: the current password is wrong.
        WeakPassword: see `check_new_password`.
    """
    user = await check_current_password(user_id, current, hasher)
    check_new_password(new, email=user.email)
    new_hash = await hasher.hash(new)
    async with transaction() as session:
        sessions = SessionRepository(session)
        replaced = await UserRepository(session).replace_password_hash(
            user_id, old=user.password_hash or "", new=new_hash
        )
        if not replaced:  # somebody else changed it since it was checked
            raise InvalidCredentials(WRONG_PASSWORD)
        former = await sessions.get(session_id) if session_id is not None else None
        await revoke(session, user_id, AccountEvent.PASSWORD_CHANGED)
        await OutgoingMailRepository(session).add(MailKind.PASSWORD_CHANGED, user.email)
        user = await UserRepository(session).get_fresh(user_id)
        fresh = new_session(user, client, remember=former is None or former.remember)
        await sessions.add(fresh)
    await socket_review.request(user_id)
    return issue_tokens(fresh, user)


async def reset_password(token: str, password: str, hasher: PasswordHasher) -> ProvenMailbox:
    """Replace a forgotten password. Returns the owner, who is not signed in by this.

    The token proves the mailbox, so a pending account becomes active; and one that was deleted
    since is restored, as a token sent before that is void.

    Raises:
        TokenAlreadyUsed, InvalidOrExpiredToken: the token does not work.
        WeakPassword: see `check_new_password`; the token can be used again.
    """
    token_hash = one_time_tokens.fingerprint(token, RESET)
    async with transaction(writing=False) as session:
        tokens = OneTimeTokenRepository(session)
        owner = await tokens.find_owner(token_hash, RESET, now=clock.now())
    check_new_password(password, email=owner.email)
    password_hash = await hasher.hash(password)
    was_deleted = owner.deleted_at is not None
    event = AccountEvent.RESTORED if was_deleted else AccountEvent.PASSWORD_RESET
    async with transaction() as session:
        now, tokens = clock.now(), OneTimeTokenRepository(session)
        used = await tokens.consume(token_hash, RESET, now=now)
        users = UserRepository(session)
        if not await users.set_password(used.user_id, password_hash, now=now):
            raise InvalidOrExpiredToken
        await revoke(session, used.user_id, event)
        await OutgoingMailRepository(session).add(MailKind.PASSWORD_CHANGED, owner.email)
    await socket_review.request(used.user_id)
    return ProvenMailbox(used.user_id, owner.email)
