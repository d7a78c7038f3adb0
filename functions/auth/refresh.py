from typing import Annotated

from fastapi import Header, Request, Response

from shared.errors import InvalidRefreshToken, RefreshTokenReused
from shared.limits import policies, rate_limits
from shared.models.auth_event import AuthEventKind
from shared.schemas.auth import RefreshRequest, TokenResponse
from shared.security import cookies, origins, refresh_tokens
from shared.security.cookies import TokenCookie
from shared.services.audit import AuditTrail
from shared.services.idempotency import parse_key
from shared.services.refresh_rotation import Attempt
from shared.services.refresh_rotation import refresh as rotate
from shared.services.sessions import IssuedTokens
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import ClientDep, OwnPageOnly, request_headers
from shared.web.problem import domain_error
from shared.web.token_delivery import TokenDelivery, deliver, take_back

app = create_app()


@app.post(
    "/api/v1/auth/refresh",
    response_model=TokenResponse,
    response_model_exclude_none=True,
    dependencies=[OwnPageOnly],
)
async def refresh(
    trail: Annotated[AuditTrail, audited(AuthEventKind.REFRESH)],
    request: Request,
    response: Response,
    client: ClientDep,
    body: RefreshRequest | None = None,
    delivery: TokenDelivery = None,
    idempotency_key: Annotated[str | None, Header()] = None,
) -> TokenResponse | Response:
    """Exchange the refresh token of the body or, without one, of the cookie."""
    headers, in_body = request_headers(request), body.refresh_token if body else None
    attempt = Attempt(
        idempotency_key=None if idempotency_key is None else parse_key(idempotency_key),
        from_own_page=in_body is None and origins.is_own_page(headers),
        arrived=request.state.arrived,
    )
    await rate_limits.hit(policies.refresh_by_address(client.ip))
    if in_body is not None:
        return deliver(await _rotate(trail, in_body, attempt), response, delivery)
    token = cookies.value(headers.get("cookie", ""), TokenCookie.REFRESH)
    try:
        return deliver(await _rotate(trail, token or "", attempt), response, delivery)
    except (InvalidRefreshToken, RefreshTokenReused) as error:
        trail.outcome = error.code
        refused = await domain_error(request, error)
        take_back(refused)
        return refused


async def _rotate(trail: AuditTrail, token: str, attempt: Attempt) -> IssuedTokens:
    try:
        issued = await rotate(token, attempt)
    except RefreshTokenReused:
        trail.session_id = refresh_tokens.parse(token).session_id
        raise
    trail.by(issued.user.id, issued.session_id)
    return issued


handler = lambda_handler(app)
