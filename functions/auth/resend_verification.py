from typing import Annotated

from shared.limits import policies, rate_limits
from shared.limits.askers import asker
from shared.models.auth_event import AuthEventKind
from shared.schemas.account import AddressRequest, ResendResponse
from shared.schemas.auth import Verification
from shared.services import verification
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import ClientDep, DeviceTokensDep, OwnPageOnly

app = create_app()


@app.post(
    "/api/v1/auth/verify/resend",
    status_code=202,
    response_model_exclude_none=True,
    dependencies=[OwnPageOnly],
)
async def resend_verification(
    trail: Annotated[AuditTrail, audited(AuthEventKind.VERIFICATION_RESEND)],
    body: AddressRequest,
    client: ClientDep,
    devices: DeviceTokensDep,
) -> ResendResponse:
    """Every address gets the same answer; one address gets no more mails than its limit allows."""
    trail.about(body.email)
    await rate_limits.hit(policies.mail_by_address(client.ip))
    issued = await verification.resend(body.email, asker(body.email, client.ip, devices))
    return ResendResponse(verification=issued and Verification.model_validate(issued))


handler = lambda_handler(app)
