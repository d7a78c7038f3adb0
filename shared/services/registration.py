from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from shared import clock, email_addresses, settings
from shared.database import transaction
from shared.errors import EmailTaken
from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.models.user import Plan, Subscription, User, UserProfile, UserStatus
from shared.plans import Period
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.users import UserRepository
from shared.security import one_time_tokens
from shared.security.password_policy import check_new_password
from shared.security.passwords import PasswordHasher
from shared.settings import VerificationDelivery


@dataclass(frozen=True, slots=True)
class Registration:
    """What the caller may know: the id and the token only where the answer may differ between
    a new address and a known one."""

    email: str
    expires_at: datetime
    user_id: UUID | None = None
    token: str | None = None


async def register(email: str, password: str, hasher: PasswordHasher) -> Registration:
    """Open a pending account, with a profile and the free plan.

    The password is kept with the verification token, not with the account: it counts only if
    this very token comes back from the mailbox. Where tokens go to the mailbox alone, a known
    address gets the same answer as a new one, after the same work.

    Raises:
        WeakPassword: see `check_new_password`.
        EmailTaken: there is an account of this address, and the answer may say so.
    """
    check_new_password(password, email=email)
    password_hash = await hasher.hash(password)
    token, now = one_time_tokens.create(TokenPurpose.VERIFY_EMAIL), clock.now()
    expires_at = now + timedelta(seconds=settings.auth().verification_ttl_seconds)
    by_mail_alone = settings.auth().verification_delivery is VerificationDelivery.EMAIL

    async with transaction() as session:
        users = UserRepository(session)
        user = await _open_account(users, email, now)
        if user is None and not by_mail_alone:
            raise EmailTaken
        pending = user or await users.get_pending(email_addresses.canonical(email))
        if pending is not None:
            await OneTimeTokenRepository(session).add(
                _verification(pending.id, token, password_hash, expires_at)
            )

    if by_mail_alone or user is None:
        return Registration(email, expires_at)
    return Registration(email, expires_at, user.id, token)


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


def _verification(
    user_id: UUID, token: str, password_hash: str, expires_at: datetime
) -> OneTimeToken:
    purpose = TokenPurpose.VERIFY_EMAIL
    return OneTimeToken(
        user_id=user_id,
        purpose=purpose,
        token_hash=one_time_tokens.fingerprint(token, purpose),
        password_hash=password_hash,
        expires_at=expires_at,
    )
