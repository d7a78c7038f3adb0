from typing import Annotated, Literal

from fastapi import Header, Response

from shared.schemas.auth import TokenResponse
from shared.schemas.user import UserRead
from shared.security import cookies, known_devices
from shared.security.cookies import TokenCookie
from shared.services.sessions import IssuedTokens

TokenDelivery = Annotated[Literal["cookie"] | None, Header(alias="X-Token-Delivery")]


def deliver(issued: IssuedTokens, response: Response, delivery: TokenDelivery) -> TokenResponse:
    """Set the cookies and make the body. It has no tokens for a client that wants only cookies, so
    that no script of its page can read them."""
    lines = {
        TokenCookie.ACCESS: (issued.access_token, issued.access_seconds),
        TokenCookie.REFRESH: (issued.refresh_token, issued.refresh_seconds),
    }
    for cookie, (token, seconds) in lines.items():
        line = cookies.set_cookie(cookie, token, seconds if issued.remember else None)
        response.headers.append("set-cookie", line)
    in_body = delivery is None
    return TokenResponse(
        access_token=issued.access_token if in_body else None,
        expires_in=issued.access_seconds,
        refresh_token=issued.refresh_token if in_body else None,
        refresh_expires_in=issued.refresh_seconds,
        user=UserRead.model_validate(issued.user),
    )


def remember_device(response: Response, email: str) -> None:
    """Let the device prove later that it has signed in to this account."""
    line = cookies.set_cookie(
        TokenCookie.DEVICE, known_devices.issue(email), known_devices.LIFETIME_SECONDS
    )
    response.headers.append("set-cookie", line)


def take_back(response: Response) -> None:
    """Delete the cookies of the session."""
    for cookie in (TokenCookie.ACCESS, TokenCookie.REFRESH):
        response.headers.append("set-cookie", cookies.delete_cookie(cookie))
