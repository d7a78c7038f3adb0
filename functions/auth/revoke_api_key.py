from typing import Annotated
from uuid import UUID

from shared.models.auth_event import AuthEventKind
from shared.services import api_keys
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import UserDep

app = create_app()


@app.delete("/api/v1/auth/api-keys/{key_id}", status_code=204)
async def revoke_api_key(
    trail: Annotated[AuditTrail, audited(AuthEventKind.API_KEY_REVOKE)],
    key_id: UUID,
    user: UserDep,
) -> None:
    """End a key: its next request is refused, and its sockets close."""
    trail.by(user.user_id, user.session_id)
    await api_keys.revoke(user.user_id, key_id)


handler = lambda_handler(app)
