from fastapi import Request, Response

from shared.api import create_app, lambda_handler
from shared.authentication import OwnPageOnly, request_headers
from shared.schemas.auth import LoginRequest, TokenResponse
from shared.security import cookies
from shared.security.cookies import TokenCookie
from shared.security.passwords import password_hasher
from shared.services.login import log_in
from shared.services.sessions import Client
from shared.token_delivery import TokenDelivery, deliver

app = create_app()


@app.post("/api/v1/auth/login", response_model_exclude_none=True, dependencies=[OwnPageOnly])
async def login(
    body: LoginRequest, request: Request, response: Response, delivery: TokenDelivery = None
) -> TokenResponse:
    headers = request_headers(request)
    issued = await log_in(
        body.email,
        body.password,
        Client(
            ip=request.client.host if request.client else None,
            user_agent=headers.get("user-agent", "")[:255] or None,
        ),
        password_hasher(),
        remember=body.remember,
        former_refresh_tokens=cookies.values(headers.get("cookie", ""), TokenCookie.REFRESH),
    )
    return deliver(issued, response, delivery)


handler = lambda_handler(app)
