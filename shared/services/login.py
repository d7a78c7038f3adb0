from collections.abc import Iterable

from shared import clock, email_addresses, settings
from shared.database import transaction
from shared.errors import AccountDisabled, EmailNotVerified, InvalidCredentials
from shared.limits import policies, rate_limits
from shared.limits.rate_limits import RateLimitPolicy
from shared.models.session import RevokeReason
from shared.models.user import User, UserStatus
from shared.repositories.sessions import SessionRepository
from shared.repositories.users import UserRepository
from shared.security import known_devices
from shared.security.passwords import PasswordHasher, Verdict
from shared.services.sessions import (
    Client,
    IssuedTokens,
    find_authentic,
    is_in_use,
    issue_tokens,
    new_session,
)
from shared.settings import VerificationDelivery

OR_NOT_CONFIRMED = (
    "The e-mail address or the password is wrong, or the address is not confirmed yet: "
    "then follow the link in its mailbox."
)


async def log_in(
    email: str,
    password: str,
    client: Client,
    hasher: PasswordHasher,
    *,
    remember: bool = True,
    former_refresh_tokens: Iterable[str] = (),
    device_tokens: Iterable[str] = (),
) -> IssuedTokens:
    """Start a new session for the owner of this password.

    The sessions of `former_refresh_tokens`, which the client held until now, end, so that nobody
    can plant a session that the user then continues. One of `device_tokens` may show that this
    device has signed in to the account before; failures on other devices do not count against it.

    Raises:
        RateLimited: too many attempts; no account was looked up and no hash computed.
        InvalidCredentials: address and password do not match. All causes give the same answer
            after the same work.
        EmailNotVerified, AccountDisabled: raised only if the password is right; the former only
            where answers carry tokens.
    """
    device = known_devices.find(device_tokens, email)
    failures = policies.login_failures(email, device)
    await rate_limits.hit(*policies.login(client.ip, email), failures)
    user, verdict = await _check_password(email, password, hasher)
    _check_state(user)
    async with transaction() as session:
        users, sessions = UserRepository(session), SessionRepository(session)
        await _check_unchanged(users, user)
        await _upgrade_hash(users, user, verdict)
        for text in former_refresh_tokens:
            await _end_former(sessions, text)
        user_session = new_session(user, client, remember=remember)
        await sessions.add(user_session)
        await sessions.evict(user.id, kept=settings.auth().maximum_sessions, now=clock.now())
    await _forgive(failures, device)
    return issue_tokens(user_session, user)


async def _forgive(failures: RateLimitPolicy, device: str | None) -> None:
    """This attempt was none; and a device's own failures before it are forgotten. Those of unknown
    devices are not: strangers would see that somebody has signed in to this account."""
    if device is None:
        await rate_limits.take_back(failures)
    else:
        await rate_limits.clear(failures)


def _refusal() -> InvalidCredentials:
    """The same for every cause."""
    return InvalidCredentials(OR_NOT_CONFIRMED if _tokens_go_by_mail_alone() else None)


def _tokens_go_by_mail_alone() -> bool:
    """Then an account that is not confirmed yet is refused like one that does not exist: whoever
    signs up with somebody's address and then signs in must not learn whether it was new."""
    return settings.auth().verification_delivery is VerificationDelivery.EMAIL


async def _check_password(
    email: str, password: str, hasher: PasswordHasher
) -> tuple[User, Verdict]:
    async with transaction(writing=False) as session:
        found = await UserRepository(session).get_for_login(email_addresses.canonical(email))
    user, pending_hash = found if found is not None else (None, None)
    # Somebody waits for the hash here; no transaction must wait with them.
    verdict = await hasher.verify(password, _stored_hash(user, pending_hash))
    if user is None or user.deleted_at is not None or not verdict.correct:
        raise _refusal()
    return user, verdict


def _stored_hash(user: User | None, pending_hash: str | None) -> str | None:
    if user is None:
        return None
    return pending_hash if user.status is UserStatus.PENDING else user.password_hash


def _check_state(user: User) -> None:
    if user.status is UserStatus.DISABLED:
        raise AccountDisabled
    if user.status is UserStatus.PENDING:
        raise _refusal() if _tokens_go_by_mail_alone() else EmailNotVerified


async def _check_unchanged(users: UserRepository, checked: User) -> None:
    """Refuse an account that was closed, or whose password changed, while the hash was computed."""
    user = await users.lock(checked.id)
    if user is None or not is_in_use(user) or user.auth_epoch != checked.auth_epoch:
        raise _refusal()


async def _upgrade_hash(users: UserRepository, user: User, verdict: Verdict) -> None:
    if verdict.better_hash is not None and user.password_hash is not None:
        await users.replace_password_hash(user.id, old=user.password_hash, new=verdict.better_hash)


async def _end_former(sessions: SessionRepository, text: str) -> None:
    former = await find_authentic(sessions, text)
    if former is not None:
        await sessions.revoke(former.id, RevokeReason.NEW_LOGIN, now=clock.now())
