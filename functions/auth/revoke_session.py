from typing import Annotated
from uuid import UUID

from fastapi import Response

from shared.models.auth_event import AuthEventKind
from shared.services import sessions
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import UserDep
from shared.web.token_delivery import take_back

app = create_app()


@app.delete("/api/v1/auth/sessions/{session_id}", status_code=204)
async def revoke_session(
    trail: Annotated[AuditTrail, audited(AuthEventKind.SESSION_REVOKE)],
    session_id: UUID,
    user: UserDep,
    response: Response,
) -> None:
    """End one of the caller's sign-ins."""
    trail.by(user.user_id, user.session_id)
    await sessions.end_session(user.user_id, session_id)
    if session_id == user.session_id:
        take_back(response)


handler = lambda_handler(app)
