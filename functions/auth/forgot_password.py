from typing import Annotated

from shared.limits import policies, rate_limits
from shared.limits.askers import asker
from shared.models.auth_event import AuthEventKind
from shared.schemas.account import Accepted, AddressRequest
from shared.services.audit import AuditTrail
from shared.services.forgotten_passwords import promise_reset
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import ClientDep, DeviceTokensDep, OwnPageOnly

app = create_app()


@app.post("/api/v1/auth/password/forgot", status_code=202, dependencies=[OwnPageOnly])
async def forgot_password(
    trail: Annotated[AuditTrail, audited(AuthEventKind.PASSWORD_FORGOT)],
    body: AddressRequest,
    client: ClientDep,
    devices: DeviceTokensDep,
) -> Accepted:
    """Every address gets the same answer; one address gets no more mails than its limit allows."""
    trail.about(body.email)
    await rate_limits.hit(policies.mail_by_address(client.ip))
    await promise_reset(body.email, asker(body.email, client.ip, devices))
    return Accepted()


handler = lambda_handler(app)
