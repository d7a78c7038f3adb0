from collections.abc import Mapping
from typing import Annotated

from fastapi import Request, Response

from shared.errors import AmbiguousCredentials, InvalidToken
from shared.models.auth_event import AuthEventKind
from shared.schemas.auth import LogoutRequest
from shared.security import cookies, credentials
from shared.security.cookies import TokenCookie
from shared.services.audit import AuditTrail
from shared.services.sessions import LogoutScope, log_out
from shared.web.api import create_app, lambda_handler
from shared.web.audit_trail import audited
from shared.web.authentication import OwnPageOnly, request_headers
from shared.web.token_delivery import take_back

app = create_app()


@app.post("/api/v1/auth/logout", status_code=204, dependencies=[OwnPageOnly])
async def logout(
    trail: Annotated[AuditTrail, audited(AuthEventKind.LOGOUT)],
    request: Request,
    response: Response,
    body: LogoutRequest | None = None,
    scope: LogoutScope = LogoutScope.LOCAL,
) -> None:
    headers = request_headers(request)
    cookie_header = headers.get("cookie", "")
    refresh_texts = cookies.values(cookie_header, TokenCookie.REFRESH)
    if body is not None and body.refresh_token is not None:
        refresh_texts = [body.refresh_token]
    access_texts = _bearer(headers) + cookies.values(cookie_header, TokenCookie.ACCESS)
    for ended in await log_out(refresh_texts, access_texts, scope):
        trail.by(ended.user_id, ended.id)
    if scope is not LogoutScope.OTHERS:
        take_back(response)


def _bearer(headers: Mapping[str, str]) -> list[str]:
    try:
        token = credentials.bearer_token(headers)
    except (AmbiguousCredentials, InvalidToken):
        return []
    return [token] if token is not None else []


handler = lambda_handler(app)
