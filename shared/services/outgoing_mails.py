import logging
from datetime import timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock, settings
from shared.database import transaction
from shared.mail.port import Mail, Mailer, MailNotSent
from shared.mail.registry import mailer
from shared.mail.templates import compose
from shared.models.mail import MailKind, OutgoingMail
from shared.models.one_time_token import TokenPurpose
from shared.models.user import User, UserStatus
from shared.process.parallel import for_each
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.users import UserRepository
from shared.services import former_addresses
from shared.services.one_time_tokens import new_token

logger = logging.getLogger(__name__)

AT_A_TIME = 10
MAX_ATTEMPTS = 12
FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 3600

# Whom each kind is for that is sent to an address whether or not it has an account.
READERS = {
    MailKind.ALREADY_REGISTERED: (UserStatus.ACTIVE,),
    MailKind.RESEND_VERIFICATION: (UserStatus.PENDING,),
    MailKind.RESET_PASSWORD: (UserStatus.ACTIVE, UserStatus.PENDING),
}


async def send_due(service: Mailer | None = None) -> bool:
    """Send a limited batch of the mails that are due. Mails that cannot be sent now stay for later.
    Returns whether any was due.

    All work that differs between addresses happens here and not in requests, so that the time of an
    answer does not reveal which addresses have an account. A mail may arrive twice, if its sender
    dies just after sending.
    """
    async with transaction() as session:
        claimed = await OutgoingMailRepository(session).claim()
    if claimed:
        send = partial(_send, service or mailer())
        await for_each(claimed, send, at_a_time=AT_A_TIME)
    return bool(claimed)


async def _send(service: Mailer, promise: OutgoingMail) -> None:
    async with transaction() as session:
        mail = await _prepare(session, promise)
    try:
        if mail is not None:
            await service.send(mail)
            logger.info("A mail was sent", extra=_described(promise, mail))
    except MailNotSent as error:
        return await _try_later(promise, error)
    async with transaction() as session:
        await OutgoingMailRepository(session).remove(promise.id)


async def _try_later(promise: OutgoingMail, error: MailNotSent) -> None:
    given_up = promise.attempts >= MAX_ATTEMPTS
    logger.log(
        logging.ERROR if given_up else logging.WARNING,
        "A mail was given up" if given_up else "A mail was not sent",
        extra={"kind": promise.kind.value, "attempts": promise.attempts, "error": str(error)},
    )
    pause = min(FIRST_PAUSE_SECONDS * 2 ** (promise.attempts - 1), LONGEST_PAUSE_SECONDS)
    async with transaction() as session:
        mails = OutgoingMailRepository(session)
        if given_up:
            await mails.remove(promise.id)
        else:
            await mails.postpone(promise.id, seconds=pause)


def _described(promise: OutgoingMail, mail: Mail) -> dict[str, str]:
    return {
        "kind": promise.kind.value,
        "subject": mail.subject,
        "recipient": mail.redacted_recipient,
    }


async def _prepare(session: AsyncSession, promise: OutgoingMail) -> Mail | None:
    """The mail, with a token made for it; None if there is no recipient for it."""
    if promise.kind in READERS:
        user = await UserRepository(session).lock_by_address(promise.address)
        if user is None or user.deleted_at is not None:
            return await former_addresses.offer(session, promise.address, user)
        is_reader = user.status in READERS[promise.kind]
        return await _to_reader(session, promise.kind, user) if is_reader else None
    if promise.token_id is None:
        return compose(promise.kind, promise.address)
    pattern = await OneTimeTokenRepository(session).lock(promise.token_id)
    if pattern is None or pattern.consumed_at is not None:
        return None
    return compose(promise.kind, promise.address, await former_addresses.repeat(session, pattern))


async def _to_reader(session: AsyncSession, kind: MailKind, user: User) -> Mail:
    """Mail goes to the address of the account: a similar spelling may be another person's
    mailbox."""
    if kind is MailKind.RESEND_VERIFICATION:
        return await _verification(session, user)
    if kind is MailKind.RESET_PASSWORD:
        return await _reset(session, user)
    return compose(kind, user.email)


async def _verification(session: AsyncSession, user: User) -> Mail:
    """A new token for the account's only sign-up. Of several sign-ups it is unknown which was the
    owner's; then the reader of the mailbox chooses a password."""
    tokens = OneTimeTokenRepository(session)
    passwords = await tokens.pending_passwords(user.id)
    if len(passwords) != 1:
        return await _reset(session, user)
    row, token = new_token(
        user.id,
        TokenPurpose.VERIFY_EMAIL,
        expires_at=clock.now() + timedelta(seconds=settings.auth().verification_ttl_seconds),
        password_hash=passwords[0],
    )
    await tokens.add(row)
    return compose(MailKind.VERIFY_EMAIL, user.email, token)


async def _reset(session: AsyncSession, user: User) -> Mail:
    expires_at = clock.now() + timedelta(seconds=settings.auth().reset_ttl_seconds)
    row, token = new_token(user.id, TokenPurpose.RESET_PASSWORD, expires_at=expires_at)
    await OneTimeTokenRepository(session).add(row)
    return compose(MailKind.RESET_PASSWORD, user.email, token)
