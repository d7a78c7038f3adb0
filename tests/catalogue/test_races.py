"""Many requests at once, on a real PostgreSQL and a real Redis."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from functions.auth import logout, refresh, register, verify
from shared.database import transaction
from shared.loop import run
from shared.models.auth_event import AuthEvent, AuthEventKind
from shared.models.user import User
from tests.auth import PASSWORD, ask_me, open_account, rotate, sign_in, sign_up

ADDRESS = "https://testserver/api/v1/auth"
ACTIVATION = (AuthEvent.kind == AuthEventKind.VERIFY, AuthEvent.outcome == "success")


@pytest.fixture(autouse=True)
def many_requests(postgresql_backend: pytest.MonkeyPatch) -> None:
    postgresql_backend.setenv("RATE_LIMITS", "off")


@pytest.fixture
def email() -> str:
    """Somebody new: the database is kept from test to test."""
    return f"{uuid4().hex}@example.com"


async def post(app: FastAPI, **body: str) -> httpx.Response:
    """Send a request to a function's application, as its server would."""
    route = app.routes[0].path.rpartition("/")[2]  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 443))
    async with httpx.AsyncClient(transport=transport) as client:
        return await client.post(f"{ADDRESS}/{route}", json=body)


def together(*requests: Any) -> list[httpx.Response]:
    async def gather() -> list[httpx.Response]:
        return await asyncio.gather(*requests)

    return run(gather())


def codes(answers: list[httpx.Response]) -> Counter[str]:
    return Counter(str(each.json().get("code", each.status_code)) for each in answers)


async def count(model: type[Any], *where: Any) -> int:
    async with transaction(writing=False) as session:
        query = select(func.count()).select_from(model).where(*where)
        return await session.scalar(query) or 0


@pytest.mark.case("A26")
def test_twenty_sign_ups_of_one_address_make_one_account(email: str):
    answers = together(*(post(register.app, email=email, password=PASSWORD) for _ in range(20)))

    assert codes(answers) == {"201": 1, "email_taken": 19}
    assert run(count(User, User.email_canonical == email)) == 1


@pytest.mark.case("B7")
def test_fifty_verifications_activate_once(email: str):
    registered = sign_up(email).json
    token, user_id = registered["verification"]["token"], registered["user"]["id"]

    answers = together(*(post(verify.app, token=token) for _ in range(50)))

    assert codes(answers) == {"200": 1, "token_already_used": 49}
    assert run(count(AuthEvent, AuthEvent.user_id == UUID(user_id), *ACTIVATION)) == 1


@pytest.mark.case("E2")
def test_fifty_refreshes_have_one_child_twenty_times_over(email: str):
    open_account(email)
    token = sign_in(email).json["refresh_token"]

    for _ in range(20):
        answers = together(*(post(refresh.app, refresh_token=token) for _ in range(50)))
        children = {each.json()["refresh_token"] for each in answers if each.status_code == 200}
        assert set(codes(answers)) == {"200"}
        assert len(children) == 1
        token = children.pop()


@pytest.mark.case("E11")
def test_a_refresh_beside_a_logout_leaves_no_token_alive(email: str):
    open_account(email)

    for _ in range(20):
        token = sign_in(email).json["refresh_token"]
        answers = together(
            *(post(refresh.app, refresh_token=token) for _ in range(5)),
            post(logout.app, refresh_token=token),
            *(post(refresh.app, refresh_token=token) for _ in range(5)),
        )
        issued = [each.json() for each in answers if each.status_code == 200]
        assert {rotate(tokens["refresh_token"]).status for tokens in issued} <= {401}
        assert {ask_me(tokens["access_token"]).status for tokens in issued} <= {401}
        assert rotate(token).status == 401
