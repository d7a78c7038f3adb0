from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared import clock, email_addresses, settings
from shared.database import transaction
from shared.errors import EmailTaken
from shared.models.mail import MailKind
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.security.password_policy import check_new_password
from shared.security.passwords import PasswordHasher
from shared.services import pending_accounts
from shared.settings import VerificationDelivery


@dataclass(frozen=True, slots=True)
class Registration:
    """What the caller may know. It holds the id and the token only if the answer may distinguish a
    new address from a known one."""

    email: str
    expires_at: datetime
    user_id: UUID | None = None
    token: str | None = None


async def register(email: str, password: str, hasher: PasswordHasher, asker: str) -> Registration:
    """Open a pending account, with a profile and the free plan.

    The password is stored with the verification token, not with the account: it becomes valid only
    if this token comes back from the mailbox. If tokens go only to the mailbox, this does the same
    for every address: the sender of the mail looks for an account, and opens one if there is none.

    Raises:
        WeakPassword: see `check_new_password`.
        EmailTaken: this address has an account, and the answer may say so.
    """
    check_new_password(password, email=email)
    password_hash = await hasher.hash(password)
    delivery = settings.auth().verification_delivery
    async with transaction() as session:
        mails = OutgoingMailRepository(session)
        if delivery is VerificationDelivery.EMAIL:
            await mails.request(
                MailKind.VERIFY_EMAIL, email, asker=asker, password_hash=password_hash
            )
            return Registration(email, pending_accounts.expiry(clock.now()))
        user = await pending_accounts.open_account(session, email)
        if user is None:
            # The answer says that the address is taken; its mailbox learns by what.
            canonical = email_addresses.canonical(email)
            await mails.request(MailKind.ALREADY_REGISTERED, canonical, asker=asker)
        else:
            row, token = await pending_accounts.add_token(
                session, user, password_hash, address=email
            )
            if delivery is VerificationDelivery.BOTH:
                await mails.request(MailKind.VERIFY_EMAIL, email, asker=asker, token_id=row.id)
    if user is None:
        raise EmailTaken
    return Registration(email, row.expires_at, user.id, token)
