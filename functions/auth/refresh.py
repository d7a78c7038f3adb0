from fastapi import Request, Response

from shared.api import create_app, lambda_handler
from shared.authentication import OwnPageOnly, request_headers
from shared.errors import InvalidRefreshToken, RefreshTokenReused
from shared.problem import domain_error
from shared.schemas.auth import RefreshRequest, TokenResponse
from shared.security import cookies
from shared.security.cookies import TokenCookie
from shared.services import sessions
from shared.token_delivery import TokenDelivery, deliver, take_back

app = create_app()


@app.post(
    "/api/v1/auth/refresh",
    response_model=TokenResponse,
    response_model_exclude_none=True,
    dependencies=[OwnPageOnly],
)
async def refresh(
    request: Request,
    response: Response,
    body: RefreshRequest | None = None,
    delivery: TokenDelivery = None,
) -> TokenResponse | Response:
    if body is not None and body.refresh_token is not None:
        return deliver(await sessions.refresh(body.refresh_token), response, delivery)
    token = cookies.value(request_headers(request).get("cookie", ""), TokenCookie.REFRESH)
    try:
        return deliver(await sessions.refresh(token or ""), response, delivery)
    except (InvalidRefreshToken, RefreshTokenReused) as error:
        refused = await domain_error(request, error)
        take_back(refused)
        return refused


handler = lambda_handler(app)
