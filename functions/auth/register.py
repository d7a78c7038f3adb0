from typing import Annotated

from shared.limits import policies, rate_limits
from shared.limits.askers import asker
from shared.models.auth_event import AuthEventKind
from shared.schemas.auth import RegisteredUser, RegisterRequest, RegisterResponse, Verification
from shared.security.passwords import password_hasher
from shared.services import registration
from shared.services.audit import AuditTrail
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import ClientDep, DeviceTokensDep, OwnPageOnly

app = create_app()


@app.post(
    "/api/v1/auth/register",
    status_code=201,
    response_model_exclude_none=True,
    dependencies=[OwnPageOnly],
)
async def register(
    trail: Annotated[AuditTrail, audited(AuthEventKind.REGISTER)],
    new: RegisterRequest,
    client: ClientDep,
    devices: DeviceTokensDep,
) -> RegisterResponse:
    trail.about(new.email)
    await rate_limits.hit(policies.register(client.ip))
    made = await registration.register(
        new.email, new.password, password_hasher(), asker(new.email, client.ip, devices)
    )
    if made.user_id is not None:
        trail.by(made.user_id)
    return RegisterResponse(
        user=RegisteredUser(id=made.user_id, email=made.email),
        verification=Verification(expires_at=made.expires_at, token=made.token),
    )


handler = lambda_handler(app)
