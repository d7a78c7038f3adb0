from typing import Annotated

from fastapi import Response

from shared.limits import policies, rate_limits
from shared.models.auth_event import AuthEventKind
from shared.schemas.account import ResetRequest
from shared.schemas.auth import VerifyResponse
from shared.security.passwords import password_hasher
from shared.services import passwords
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import ClientDep, OwnPageOnly
from shared.web.proven_mailbox import let_owner_in

app = create_app()


@app.post("/api/v1/auth/password/reset", dependencies=[OwnPageOnly])
async def reset_password(
    trail: Annotated[AuditTrail, audited(AuthEventKind.PASSWORD_RESET)],
    body: ResetRequest,
    client: ClientDep,
    response: Response,
) -> VerifyResponse:
    await rate_limits.hit(policies.verify(client.ip))
    proven = await passwords.reset_password(body.token, body.password, password_hasher())
    trail.by(proven.user_id)
    await let_owner_in(response, proven.email, client)
    return VerifyResponse()


handler = lambda_handler(app)
