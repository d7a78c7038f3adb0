from dataclasses import dataclass
from datetime import datetime

from shared import clock, email_addresses, settings
from shared.database import transaction
from shared.errors import InvalidOrExpiredToken
from shared.limits import policies, rate_limits
from shared.models.mail import MailKind
from shared.models.one_time_token import TokenPurpose
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.users import UserRepository
from shared.security import one_time_tokens
from shared.services import pending_accounts
from shared.services.one_time_tokens import ProvenMailbox
from shared.services.revocation import AccountEvent, revoke
from shared.settings import VerificationDelivery

PURPOSE = TokenPurpose.VERIFY_EMAIL


@dataclass(frozen=True, slots=True)
class Reissued:
    token: str
    expires_at: datetime


async def verify(token: str) -> ProvenMailbox:
    """Activate the account of a verification token, with the password chosen with the token.
    Returns its owner.

    Nobody is signed in by this: the reader of the mail need not be the one who chose the password.

    Raises:
        TokenAlreadyUsed: the token was used before.
        InvalidOrExpiredToken: it is unknown, too old, or another one was used.
    """
    token_hash, now = one_time_tokens.fingerprint(token, PURPOSE), clock.now()
    async with transaction() as session:
        tokens, users = OneTimeTokenRepository(session), UserRepository(session)
        used = await tokens.consume(token_hash, PURPOSE, now=now)
        if used.password_hash is None:
            raise InvalidOrExpiredToken
        email = await users.activate(used.user_id, used.password_hash, address=used.email, now=now)
        if email is None:
            raise InvalidOrExpiredToken
        await revoke(session, used.user_id, AccountEvent.VERIFIED)
    return ProvenMailbox(used.user_id, email)


async def resend(email: str, asker: str) -> Reissued | None:
    """Send another token to an address that is not verified yet, if it has an account.

    If tokens go only to the mailbox, this does the same for every address: the sender of the mail
    looks for the account. Otherwise it returns the token of the newest sign-up; nothing, if the
    address has reached the limit of such tokens.
    """
    canonical = email_addresses.canonical(email)
    delivery = settings.auth().verification_delivery
    if delivery is not VerificationDelivery.RESPONSE:
        async with transaction() as session:
            await OutgoingMailRepository(session).request(
                MailKind.RESEND_VERIFICATION, canonical, asker=asker
            )
    if delivery is VerificationDelivery.EMAIL:
        return None
    if not await rate_limits.allows(policies.answered_tokens(email)):
        return None
    async with transaction() as session:
        pending = await UserRepository(session).get_pending(canonical)
        tokens = OneTimeTokenRepository(session)
        passwords = await tokens.pending_passwords(pending.id) if pending else ()
        if pending is None or not passwords:
            return None
        row, token = await pending_accounts.add_token(
            session, pending, passwords[0], address=pending.email
        )
    return Reissued(token, row.expires_at)
