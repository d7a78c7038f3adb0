"""Operations on accounts for tests, which can look into the database afterwards."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from functions.auth import login, logout, me, refresh, register, verify
from shared.database import transaction
from shared.models.user import User, UserStatus
from shared.process.event_loop import run
from tests.http import Answer, call

EMAIL = "demo@example.com"
PASSWORD = "StrongPass123!"
HANDLERS = {
    "register": register.handler,
    "verify": verify.handler,
    "login": login.handler,
    "refresh": refresh.handler,
    "logout": logout.handler,
    "me": me.handler,
}


def send(route: str, *, method: str = "POST", **request: Any) -> Answer:
    """Call an auth function and assert that its answer does not contain a password that was
    sent."""
    answer = call(HANDLERS[route], method, f"/api/v1/auth/{route}", **request)
    body = request.get("json_body")
    password = body.get("password") if isinstance(body, dict) else None
    if isinstance(password, str) and password:
        assert password.encode(errors="surrogatepass") not in answer.body
        assert password not in str(answer.headers) + str(answer.set_cookies)
    return answer


def sign_up(email: str = EMAIL, password: str = PASSWORD) -> Answer:
    return send("register", json_body={"email": email, "password": password})


def confirm(token: str) -> Answer:
    return send("verify", query={"token": token})


def open_account(email: str = EMAIL, password: str = PASSWORD) -> None:
    """An active account."""
    token = sign_up(email, password).json["verification"]["token"]
    assert confirm(token).status == 200


def sign_in(email: str = EMAIL, password: str = PASSWORD, **request: Any) -> Answer:
    return send("login", json_body={"email": email, "password": password}, **request)


def rotate(refresh_token: str, **request: Any) -> Answer:
    return send("refresh", json_body={"refresh_token": refresh_token}, **request)


def ask_me(access_token: str | None = None, *, headers: Mapping[str, str] | None = None) -> Answer:
    sent = dict(headers or {})
    if access_token is not None:
        sent["authorization"] = f"Bearer {access_token}"
    return send("me", method="GET", headers=sent)


def set_status(email: str, status: UserStatus) -> None:
    async def change() -> None:
        async with transaction() as session:
            await session.execute(
                update(User).where(User.email_canonical == email).values(status=status)
            )

    run(change())
