from typing import Annotated

from fastapi import Response

from shared.models.auth_event import AuthEventKind
from shared.schemas.account import PasswordChangeRequest
from shared.schemas.auth import TokenResponse
from shared.security.passwords import password_hasher
from shared.services import passwords
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import ClientDep, UserDep
from shared.web.token_delivery import TokenDelivery, deliver

app = create_app()


@app.post("/api/v1/auth/password/change", response_model_exclude_none=True)
async def change_password(
    trail: Annotated[AuditTrail, audited(AuthEventKind.PASSWORD_CHANGE)],
    user: UserDep,
    body: PasswordChangeRequest,
    client: ClientDep,
    response: Response,
    delivery: TokenDelivery = None,
) -> TokenResponse:
    """Every session ends; the caller continues with the new tokens in this answer."""
    trail.by(user.user_id, user.session_id)
    issued = await passwords.change_password(
        user.user_id,
        user.session_id,
        current=body.current_password,
        new=body.new_password,
        client=client,
        hasher=password_hasher(),
    )
    return deliver(issued, response, delivery)


handler = lambda_handler(app)
