from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared import clock, settings
from shared.errors import ReauthenticationRequired
from shared.models.session import UserSession
from shared.repositories.sessions import SessionRepository


async def require_recent_password(session: AsyncSession, session_id: UUID | None) -> UserSession:
    """Require that the password was entered a short while ago: for a sensitive change, a session
    left open on a desk is not enough.

    Returns the sign-in. Ask in the transaction of the change, behind the lock on the account: a
    sign-in that ends at the same moment permits nothing more.

    Raises:
        ReauthenticationRequired: that was longer ago, the sign-in has ended, or another system
            signed the user in.
    """
    found = await SessionRepository(session).get(session_id) if session_id is not None else None
    if found is None or found.revoked_at is not None:
        raise ReauthenticationRequired
    if clock.now() - found.auth_time > timedelta(seconds=settings.auth().step_up_seconds):
        raise ReauthenticationRequired
    return found
