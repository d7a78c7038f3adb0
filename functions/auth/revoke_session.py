from uuid import UUID

from fastapi import Response

from shared.api import create_app, lambda_handler
from shared.authentication import UserDep
from shared.services import sessions
from shared.token_delivery import take_back

app = create_app()


@app.delete("/api/v1/auth/sessions/{session_id}", status_code=204)
async def revoke_session(session_id: UUID, user: UserDep, response: Response) -> None:
    """End one of the caller's sign-ins."""
    await sessions.end_session(user.user_id, session_id)
    if session_id == user.session_id:
        take_back(response)


handler = lambda_handler(app)
