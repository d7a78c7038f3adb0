from uuid import UUID

from shared import clock
from shared.database import transaction
from shared.errors import InvalidCredentials, InvalidToken, ReauthenticationRequired
from shared.limits import policies, rate_limits
from shared.models.user import User
from shared.repositories.sessions import SessionRepository
from shared.repositories.users import UserRepository
from shared.security.passwords import PasswordHasher
from shared.services.sessions import IssuedTokens, issue_tokens

WRONG_PASSWORD = "The password is wrong."  # noqa: S105 - a sentence, no password


async def reauthenticate(
    user_id: UUID, session_id: UUID | None, password: str, hasher: PasswordHasher
) -> IssuedTokens:
    """Check the password again, and note in the session that it was entered just now.

    Raises:
        RateLimited: too many tries.
        InvalidCredentials: the password is wrong.
        ReauthenticationRequired: another system signed the user in; sign in with the password.
    """
    if session_id is None:
        raise ReauthenticationRequired
    await check_current_password(user_id, password, hasher)
    async with transaction() as session:
        sessions = SessionRepository(session)
        await sessions.set_auth_time(session_id, clock.now())
        found = await sessions.get_with_user(session_id)
    if found is None:
        raise InvalidToken
    user_session, user = found
    return issue_tokens(user_session, user)


async def check_current_password(user_id: UUID, password: str, hasher: PasswordHasher) -> User:
    """The user, if this is the password.

    Raises:
        RateLimited: too many tries.
        InvalidCredentials: the password is wrong.
    """
    await rate_limits.hit(policies.password(user_id))
    async with transaction(writing=False) as session:
        user = await UserRepository(session).get(user_id)
    verdict = await hasher.verify(password, user.password_hash if user else None)
    if user is None or not verdict.correct:
        raise InvalidCredentials(WRONG_PASSWORD)
    return user
