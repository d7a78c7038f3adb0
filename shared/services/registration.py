from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared import clock, email_addresses, settings
from shared.database import transaction
from shared.errors import EmailTaken
from shared.models.mail import MailKind
from shared.models.one_time_token import TokenPurpose
from shared.models.user import Plan, Subscription, User, UserProfile, UserStatus
from shared.plans import Period
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.outgoing_mails import OutgoingMailRepository
from shared.repositories.users import UserRepository
from shared.security.password_policy import check_new_password
from shared.security.passwords import PasswordHasher
from shared.services.one_time_tokens import new_token
from shared.settings import VerificationDelivery


@dataclass(frozen=True, slots=True)
class Registration:
    """What the caller may know. It holds the id and the token only if the answer may distinguish a
    new address from a known one."""

    email: str
    expires_at: datetime
    user_id: UUID | None = None
    token: str | None = None


async def register(email: str, password: str, hasher: PasswordHasher) -> Registration:
    """Open a pending account, with a profile and the free plan.

    The password is stored with the verification token, not with the account: it becomes valid only
    if this token comes back from the mailbox. If tokens go only to the mailbox, a known address
    gets the same answer as a new one, after the same work.

    Raises:
        WeakPassword: see `check_new_password`.
        EmailTaken: this address has an account, and the answer may say so.
    """
    check_new_password(password, email=email)
    password_hash = await hasher.hash(password)
    now, delivery = clock.now(), settings.auth().verification_delivery
    expires_at = now + timedelta(seconds=settings.auth().verification_ttl_seconds)

    async with transaction() as session:
        users, mails = UserRepository(session), OutgoingMailRepository(session)
        user = await _open_account(users, email, now)
        if user is None and delivery is not VerificationDelivery.EMAIL:
            raise EmailTaken
        pending = user or await users.get_pending(email_addresses.canonical(email))
        if pending is None:
            await mails.add(MailKind.ALREADY_REGISTERED, email_addresses.canonical(email))
            return Registration(email, expires_at)
        row, token = new_token(
            pending.id,
            TokenPurpose.VERIFY_EMAIL,
            expires_at=expires_at,
            password_hash=password_hash,
        )
        await OneTimeTokenRepository(session).add(row)
        if delivery is not VerificationDelivery.RESPONSE:
            await mails.add(MailKind.VERIFY_EMAIL, pending.email, token_id=row.id)

    if delivery is VerificationDelivery.EMAIL:
        return Registration(email, expires_at)
    return Registration(email, expires_at, pending.id, token)


async def _open_account(users: UserRepository, email: str, now: datetime) -> User | None:
    canonical = email_addresses.canonical(email)
    user = User(email=email, email_canonical=canonical, status=UserStatus.PENDING)
    if not await users.add(user):
        return None
    period = Period.beginning(now)
    await users.add_belongings(
        UserProfile(user_id=user.id),
        Subscription(
            user_id=user.id, plan=Plan.FREE, period_start=period.start, period_end=period.end
        ),
    )
    return user
