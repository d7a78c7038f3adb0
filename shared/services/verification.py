from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared import clock, email_addresses, settings
from shared.database import transaction
from shared.errors import InvalidOrExpiredToken
from shared.limits import allowances, rate_limits
from shared.models.mail import MailKind
from shared.models.one_time_token import TokenPurpose
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.users import UserRepository
from shared.security import one_time_tokens
from shared.services.one_time_tokens import new_token
from shared.settings import VerificationDelivery

PURPOSE = TokenPurpose.VERIFY_EMAIL


@dataclass(frozen=True, slots=True)
class Reissued:
    token: str
    expires_at: datetime


async def verify(token: str) -> UUID:
    """Make the account of a verification token active, with the password chosen with the token;
    give whose it is.

    Nobody is signed in by this: whoever reads the mail need not be who chose the password.

    Raises:
        TokenAlreadyUsed: the token did its work before.
        InvalidOrExpiredToken: it is unknown, too old, or another one was used.
    """
    token_hash, now = one_time_tokens.fingerprint(token, PURPOSE), clock.now()
    async with transaction() as session:
        tokens, users = OneTimeTokenRepository(session), UserRepository(session)
        used = await tokens.consume(token_hash, PURPOSE, now=now)
        if used.password_hash is None or not await users.activate(
            used.user_id, used.password_hash, now=now
        ):
            raise InvalidOrExpiredToken
        await tokens.delete_others(used.user_id, PURPOSE, kept=used.id)
    return used.user_id


async def resend(email: str) -> Reissued | None:
    """Have another token sent to an address that is still to be proven, if there is one.

    Where tokens go to the mailbox alone, the same happens here for every address: who sends the
    mail looks whose it is. Elsewhere the token of the newest sign-up is given back. Nothing
    happens where an address was sent too many.
    """
    if not await rate_limits.allows(allowances.mail("verification", email)):
        return None
    canonical = email_addresses.canonical(email)
    delivery = settings.auth().verification_delivery
    async with transaction() as session:
        if delivery is not VerificationDelivery.RESPONSE:
            await OutgoingMailRepository(session).add(MailKind.RESEND_VERIFICATION, canonical)
        if delivery is VerificationDelivery.EMAIL:
            return None
        pending = await UserRepository(session).get_pending(canonical)
        tokens = OneTimeTokenRepository(session)
        passwords = await tokens.pending_passwords(pending.id) if pending else ()
        if pending is None or not passwords:
            return None
        expires_at = clock.now() + timedelta(seconds=settings.auth().verification_ttl_seconds)
        row, token = new_token(
            pending.id, PURPOSE, expires_at=expires_at, password_hash=passwords[0]
        )
        await tokens.add(row)
    return Reissued(token, expires_at)
