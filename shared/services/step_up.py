from datetime import timedelta
from uuid import UUID

from shared import clock, settings
from shared.database import transaction
from shared.errors import ReauthenticationRequired
from shared.repositories.sessions import SessionRepository


async def require_recent_password(session_id: UUID | None) -> None:
    """Require that the password was entered a short while ago: for a sensitive change, a session
    left open on a desk is not enough.

    Raises:
        ReauthenticationRequired: that was longer ago, or another system signed the user in.
    """
    if session_id is None:
        raise ReauthenticationRequired
    async with transaction(writing=False) as session:
        found = await SessionRepository(session).get(session_id)
    limit = timedelta(seconds=settings.auth().step_up_seconds)
    if found is None or clock.now() - found.auth_time > limit:
        raise ReauthenticationRequired
