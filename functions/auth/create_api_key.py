from typing import Annotated

from shared.models.auth_event import AuthEventKind
from shared.schemas.api_key import ApiKeyCreate, NewApiKey
from shared.services import api_keys
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import UserDep

app = create_app()


@app.post("/api/v1/auth/api-keys", status_code=201)
async def create_api_key(
    trail: Annotated[AuditTrail, audited(AuthEventKind.API_KEY_CREATE)],
    user: UserDep,
    body: ApiKeyCreate,
) -> NewApiKey:
    """Make a key for a program; only this answer shows it. The password must have been entered a
    short while ago."""
    trail.by(user.user_id, user.session_id)
    return await api_keys.create(user.user_id, user.session_id, body)


handler = lambda_handler(app)
