from typing import Annotated

from shared.limits import policies, rate_limits
from shared.limits.askers import asker
from shared.models.auth_event import AuthEventKind
from shared.schemas.account import Accepted, EmailChangeRequest
from shared.services import email_change
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import ClientDep, DeviceTokensDep, UserDep

app = create_app()


@app.post("/api/v1/auth/email/change", status_code=202)
async def change_email(
    trail: Annotated[AuditTrail, audited(AuthEventKind.EMAIL_CHANGE)],
    user: UserDep,
    body: EmailChangeRequest,
    client: ClientDep,
    devices: DeviceTokensDep,
) -> Accepted:
    """Every address gets the same answer; the account moves when the new mailbox confirms it."""
    trail.by(user.user_id, user.session_id)
    trail.about(body.email)
    await rate_limits.hit(policies.mail_by_address(client.ip))
    await email_change.request_change(
        user.user_id, user.session_id, body.email, asker(body.email, client.ip, devices)
    )
    return Accepted()


handler = lambda_handler(app)
