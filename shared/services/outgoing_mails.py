import logging
from collections.abc import Iterable
from datetime import timedelta
from functools import partial

from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock, email_addresses, settings
from shared.database import transaction
from shared.errors import RateLimited
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
from shared.services import former_addresses, pending_accounts
from shared.services.one_time_tokens import new_token

logger = logging.getLogger(__name__)

AT_A_TIME = 10
MAX_ATTEMPTS = 12
FIRST_PAUSE_SECONDS = 5
LONGEST_PAUSE_SECONDS = 3600
LONGEST_WAIT_SECONDS = 600

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
        send = partial(_send_in_turn, service or mailer())
        await for_each(_by_mailbox(claimed), send, at_a_time=AT_A_TIME)
    return bool(claimed)


def _by_mailbox(promises: Iterable[OutgoingMail]) -> Iterable[list[OutgoingMail]]:
    mailboxes: dict[str, list[OutgoingMail]] = {}
    for promise in sorted(promises, key=lambda each: each.created_at):
        mailboxes.setdefault(promise.address.casefold(), []).append(promise)
    return mailboxes.values()


async def _send_in_turn(service: Mailer, promises: Iterable[OutgoingMail]) -> None:
    """Send the mails of one mailbox one after another, so that the first that asked comes first."""
    for promise in promises:
        await _send_or_keep(service, promise)


async def _send_or_keep(service: Mailer, promise: OutgoingMail) -> None:
    """The one way of a mail to the mailer, so that none goes past its mailbox's limit."""
    from shared.limits import policies, rate_limits  # few sweeps send a mail and need them

    if await _is_repeated(promise):
        return await _remove(promise)
    limits = policies.mail(promise.kind, promise.address, promise.asker)
    refusal = await rate_limits.admit(*limits)
    if refusal is not None:
        return await (_keep(promise, refusal) if _may_wait(promise, refusal) else _remove(promise))
    try:
        if not await _send(service, promise):
            await rate_limits.take_back(*limits)
    except MailNotSent as error:
        await rate_limits.take_back(*limits)
        return await _try_later(promise, error)
    await _remove(promise)


async def _remove(promise: OutgoingMail) -> None:
    async with transaction() as session:
        await OutgoingMailRepository(session).remove(promise.id)


async def _is_repeated(promise: OutgoingMail) -> bool:
    """Whether a later mail says the same. Each sign-up has a password of its own, and news of a
    moved account its own way back."""
    if promise.password_hash is not None or (promise.asker is None and promise.token_id):
        return False
    async with transaction(writing=False) as session:
        return await OutgoingMailRepository(session).has_newer(promise)


def _may_wait(promise: OutgoingMail, refusal: RateLimited) -> bool:
    """Whether a mail waits for room, as news of an account always does. One that was asked for
    waits for minutes at most: by then its reader has asked again."""
    waits = promise.asker is None or refusal.retry_after_seconds <= LONGEST_WAIT_SECONDS
    logger.info(
        "A mail waits for its mailbox's limit" if waits else "A mail was dropped by a limit",
        extra={"kind": promise.kind.value, "policy": refusal.policy},
    )
    return waits


async def _keep(promise: OutgoingMail, refusal: RateLimited) -> None:
    async with transaction() as session:
        await OutgoingMailRepository(session).keep_waiting(
            promise.id, seconds=refusal.retry_after_seconds
        )


async def _send(service: Mailer, promise: OutgoingMail) -> bool:
    """Make the mail and hand it over; False if there is no recipient any more."""
    async with transaction() as session:
        mail = await _prepare(session, promise)
    if mail is not None:
        await service.send(mail)
        logger.info("A mail was sent", extra=_described(promise, mail))
    return mail is not None


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
    if promise.password_hash is not None:
        return await _sign_up(session, promise.address, promise.password_hash)
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


async def _sign_up(session: AsyncSession, address: str, password_hash: str) -> Mail | None:
    """The mail of a sign-up, whose account is opened if its address has none."""
    user = await pending_accounts.open_account(session, address)
    if user is None:
        canonical = email_addresses.canonical(address)
        user = await UserRepository(session).lock_by_address(canonical)
        if user is None or user.deleted_at is not None:
            return await former_addresses.offer(session, canonical, user)
    if user.status is UserStatus.ACTIVE:
        return compose(MailKind.ALREADY_REGISTERED, user.email)
    if user.status is UserStatus.DISABLED:
        return None
    # Whose spelling is right shows the mailbox that answers; that of the first sign-up was not
    # proven, and may be another person's.
    _, token = await pending_accounts.add_token(session, user, password_hash, address=address)
    return compose(MailKind.VERIFY_EMAIL, address, token)


async def _verification(session: AsyncSession, user: User) -> Mail:
    """A new token for the account's only sign-up. Of several sign-ups it is unknown which was the
    owner's; then the reader of the mailbox chooses a password."""
    passwords = await OneTimeTokenRepository(session).pending_passwords(user.id)
    if len(passwords) != 1:
        return await _reset(session, user)
    _, token = await pending_accounts.add_token(session, user, passwords[0], address=user.email)
    return compose(MailKind.VERIFY_EMAIL, user.email, token)


async def _reset(session: AsyncSession, user: User) -> Mail:
    expires_at = clock.now() + timedelta(seconds=settings.auth().reset_ttl_seconds)
    row, token = new_token(user.id, TokenPurpose.RESET_PASSWORD, expires_at=expires_at)
    await OneTimeTokenRepository(session).add(row)
    return compose(MailKind.RESET_PASSWORD, user.email, token)
