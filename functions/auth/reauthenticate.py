from typing import Annotated

from fastapi import Response

from shared.models.auth_event import AuthEventKind
from shared.schemas.account import ReauthenticateRequest
from shared.schemas.auth import TokenResponse
from shared.security.passwords import password_hasher
from shared.services import reauthentication
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import UserDep
from shared.web.token_delivery import TokenDelivery, deliver

app = create_app()


@app.post("/api/v1/auth/reauthenticate", response_model_exclude_none=True)
async def reauthenticate(
    trail: Annotated[AuditTrail, audited(AuthEventKind.REAUTHENTICATE)],
    user: UserDep,
    body: ReauthenticateRequest,
    response: Response,
    delivery: TokenDelivery = None,
) -> TokenResponse:
    """Enter the password again, which permits sensitive changes for a few minutes."""
    trail.by(user.user_id, user.session_id)
    issued = await reauthentication.reauthenticate(
        user.user_id, user.session_id, body.password, password_hasher()
    )
    return deliver(issued, response, delivery)


handler = lambda_handler(app)
