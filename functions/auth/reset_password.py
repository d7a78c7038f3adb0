from typing import Annotated

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

app = create_app()


@app.post("/api/v1/auth/password/reset", dependencies=[OwnPageOnly])
async def reset_password(
    trail: Annotated[AuditTrail, audited(AuthEventKind.PASSWORD_RESET)],
    body: ResetRequest,
    client: ClientDep,
) -> VerifyResponse:
    await rate_limits.hit(policies.verify(client.ip))
    trail.by(await passwords.reset_password(body.token, body.password, password_hasher()))
    return VerifyResponse()


handler = lambda_handler(app)
