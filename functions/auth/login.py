from typing import Annotated

from fastapi import Request, Response

from shared.models.auth_event import AuthEventKind
from shared.schemas.auth import LoginRequest, TokenResponse
from shared.security import cookies
from shared.security.cookies import TokenCookie
from shared.security.passwords import password_hasher
from shared.services.audit import AuditTrail
from shared.services.login import log_in
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import (
    ClientDep,
    DeviceTokensDep,
    OwnPageOnly,
    request_headers,
)
from shared.web.token_delivery import TokenDelivery, deliver, remember_device

app = create_app()


@app.post("/api/v1/auth/login", response_model_exclude_none=True, dependencies=[OwnPageOnly])
async def login(
    trail: Annotated[AuditTrail, audited(AuthEventKind.LOGIN)],
    body: LoginRequest,
    request: Request,
    response: Response,
    client: ClientDep,
    devices: DeviceTokensDep,
    delivery: TokenDelivery = None,
) -> TokenResponse:
    trail.about(body.email)
    cookie_header = request_headers(request).get("cookie", "")
    issued = await log_in(
        body.email,
        body.password,
        client,
        password_hasher(),
        remember=body.remember,
        former_refresh_tokens=cookies.values(cookie_header, TokenCookie.REFRESH),
        device_tokens=devices,
    )
    trail.by(issued.user.id, issued.session_id)
    remember_device(response, body.email)
    return deliver(issued, response, delivery)


handler = lambda_handler(app)
