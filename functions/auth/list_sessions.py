from uuid import UUID

from shared.models.session import UserSession
from shared.schemas.session import SessionList, SessionRead
from shared.services import sessions
from shared.web.api import create_app, lambda_handler
from shared.web.authentication import UserDep

app = create_app()


@app.get("/api/v1/auth/sessions")
async def list_sessions(user: UserDep) -> SessionList:
    """Where the caller is signed in, most recently used first."""
    live = await sessions.live_sessions(user.user_id)
    return SessionList(items=[_read(each, current=user.session_id) for each in live])


def _read(user_session: UserSession, *, current: UUID | None) -> SessionRead:
    return SessionRead(
        id=user_session.id,
        created_at=user_session.created_at,
        last_used_at=user_session.rotated_at or user_session.created_at,
        expires_at=min(user_session.idle_expires_at, user_session.absolute_expires_at),
        ip=user_session.ip,
        user_agent=user_session.user_agent,
        current=user_session.id == current,
    )


handler = lambda_handler(app)
