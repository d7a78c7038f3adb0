from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock, email_addresses, settings
from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.models.user import Plan, Subscription, User, UserProfile, UserStatus
from shared.plans import Period
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.users import UserRepository
from shared.services.one_time_tokens import new_token


async def open_account(session: AsyncSession, email: str) -> User | None:
    """A pending account, with a profile and the free plan; None if the address has an account."""
    users, period = UserRepository(session), Period.beginning(clock.now())
    user = User(
        email=email,
        email_canonical=email_addresses.canonical(email),
        status=UserStatus.PENDING,
    )
    if not await users.add(user):
        return None
    await users.add_belongings(
        UserProfile(user_id=user.id),
        Subscription(
            user_id=user.id, plan=Plan.FREE, period_start=period.start, period_end=period.end
        ),
    )
    return user


async def add_token(
    session: AsyncSession, user: User, password_hash: str, *, address: str
) -> tuple[OneTimeToken, str]:
    """A token that activates this account with this password and this spelling of its address, to
    which it is sent; see `new_token`."""
    row, token = new_token(
        user.id,
        TokenPurpose.VERIFY_EMAIL,
        expires_at=expiry(clock.now()),
        password_hash=password_hash,
        email=address,
    )
    await OneTimeTokenRepository(session).add(row)
    return row, token


def expiry(now: datetime) -> datetime:
    """When a verification token that is made now expires."""
    return now + timedelta(seconds=settings.auth().verification_ttl_seconds)
