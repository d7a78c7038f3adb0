"""Many requests at once, on a real PostgreSQL and a real Redis."""

import asyncio
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import delete, func, select

from functions.auth import confirm_email, logout, refresh, register, verify
from shared import clock
from shared.database import transaction
from shared.models.auth_event import AuthEvent, AuthEventKind
from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.models.user import User
from shared.process.event_loop import run
from shared.repositories.one_time_tokens import OneTimeTokenRepository
from shared.repositories.sessions import SessionRepository
from shared.security import refresh_tokens
from shared.services import former_addresses, refresh_rotation
from shared.services.one_time_tokens import new_token
from shared.services.refresh_rotation import Attempt
from shared.services.revocation import AccountEvent, revoke
from tests.auth import PASSWORD, ask_me, open_account, rotate, sign_in, sign_up

T = TypeVar("T")
ADDRESS = "https://testserver"
ACTIVATION = (AuthEvent.kind == AuthEventKind.VERIFY, AuthEvent.outcome == "success")


@pytest.fixture(autouse=True)
def many_requests(postgresql_backend: pytest.MonkeyPatch) -> None:
    postgresql_backend.setenv("RATE_LIMITS", "off")


@pytest.fixture
def email() -> str:
    """A new address, since the tests share one database."""
    return f"{uuid4().hex}@example.com"


async def post(app: FastAPI, **body: str) -> httpx.Response:
    """Send a request to a function's application, as its server would."""
    path = app.routes[0].path  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(app, client=("192.0.2.1", 443))
    async with httpx.AsyncClient(transport=transport) as client:
        return await client.post(f"{ADDRESS}{path}", json=body)


def at_once(*requests: Awaitable[T]) -> list[T]:
    async def gather() -> list[T]:
        return await asyncio.gather(*requests)

    return run(gather())


def codes(answers: list[httpx.Response]) -> Counter[str]:
    return Counter(str(each.json().get("code", each.status_code)) for each in answers)


async def count(model: type[Any], *where: Any) -> int:
    async with transaction(writing=False) as session:
        query = select(func.count()).select_from(model).where(*where)
        return await session.scalar(query) or 0


@pytest.mark.case("A26")
def test_twenty_sign_ups_with_one_address_create_one_account(email: str):
    answers = at_once(*(post(register.app, email=email, password=PASSWORD) for _ in range(20)))

    assert codes(answers) == {"201": 1, "email_taken": 19}
    assert run(count(User, User.email_canonical == email)) == 1


@pytest.mark.case("I12")
def test_nobody_signs_up_with_an_address_at_the_moment_an_account_leaves_it(email: str):
    for number in range(5):
        left, new = f"{number}-{email}", f"new-{number}-{email}"
        open_account(left)
        user_id = sign_in(left).json["user"]["id"]
        token = run(mailed(UUID(user_id), TokenPurpose.CHANGE_EMAIL, new))

        answers = at_once(
            post(confirm_email.app, token=token),
            *(post(register.app, email=left, password=PASSWORD) for _ in range(5)),
        )

        assert codes(answers) == {"200": 1, "email_taken": 5}


@pytest.mark.case("I11")
def test_a_mail_that_is_written_during_a_reset_carries_no_link_that_survives_it(email: str):
    """The sender waits for whoever ends links, and then finds none to copy."""
    open_account(email)
    user_id = UUID(sign_in(email).json["user"]["id"])
    new = f"new-{email}"

    async def reset_while_sending() -> None:
        row, _ = new_token(
            user_id,
            TokenPurpose.CHANGE_EMAIL,
            expires_at=clock.now() + timedelta(days=1),
            email=new,
        )
        async with transaction() as session:
            session.add(row)
        async with transaction() as session:
            await session.execute(select(User.id).where(User.id == user_id).with_for_update())
            sending = asyncio.ensure_future(copy(row.id))
            await asyncio.sleep(0.1)  # the sender has come as far as it can
            assert not sending.done()
            await revoke(session, user_id, AccountEvent.PASSWORD_RESET)
        assert await sending is None

    async def copy(token_id: UUID) -> object:
        async with transaction() as session:
            return await OneTimeTokenRepository(session).lock(token_id)

    run(reset_while_sending())


@pytest.mark.case("I13")
def test_a_link_that_is_sent_again_during_an_undo_does_not_survive_it(email: str):
    """The sender has found the thief's link before it waits for the owner, who ends that link."""
    open_account(email)
    user_id, thief = UUID(sign_in(email).json["user"]["id"]), f"thief-{email}"

    async def undo_while_sending() -> None:
        row, _ = new_token(
            user_id,
            TokenPurpose.UNDO_EMAIL_CHANGE,
            expires_at=clock.now() + timedelta(days=1),
            email=thief,
            reserved_address=thief,
        )
        async with transaction() as session:
            session.add(row)
        async with transaction() as session:
            await session.execute(select(User.id).where(User.id == user_id).with_for_update())
            sending = asyncio.ensure_future(offer_again())
            await asyncio.sleep(0.1)  # the sender has come as far as it can
            assert not sending.done()
            await session.execute(delete(OneTimeToken).where(OneTimeToken.id == row.id))
        assert await sending is None

    async def offer_again() -> object:
        async with transaction() as session:
            return await former_addresses.offer(session, thief, None)

    run(undo_while_sending())
    assert run(count(OneTimeToken, OneTimeToken.reserved_address == thief)) == 0


async def mailed(user_id: UUID, purpose: TokenPurpose, email: str) -> str:
    expires_at = clock.now() + timedelta(days=1)
    row, token = new_token(user_id, purpose, expires_at=expires_at, email=email)
    async with transaction() as session:
        session.add(row)
    return token


@pytest.mark.case("B7")
def test_fifty_verifications_activate_the_account_once(email: str):
    registered = sign_up(email).json
    token, user_id = registered["verification"]["token"], registered["user"]["id"]

    answers = at_once(*(post(verify.app, token=token) for _ in range(50)))

    assert codes(answers) == {"200": 1, "token_already_used": 49}
    assert run(count(AuthEvent, AuthEvent.user_id == UUID(user_id), *ACTIVATION)) == 1


@pytest.mark.case("E2")
def test_fifty_refreshes_at_once_have_one_child(email: str):
    open_account(email)
    token = sign_in(email).json["refresh_token"]

    for generation in range(1, 21):
        # In production each request has a process of its own, so waiting for this one does not make
        # it late.
        attempts = [Attempt() for _ in range(50)]
        issued = at_once(*(refresh_rotation.refresh(token, attempt) for attempt in attempts))
        children = {tokens.refresh_token for tokens in issued}
        assert len(children) == 1
        token = children.pop()
        assert refresh_tokens.parse(token).generation == generation


def test_a_late_rotation_does_not_set_a_session_back(email: str):
    open_account(email)
    token = sign_in(email).json["refresh_token"]
    newest = rotate(rotate(token).json["refresh_token"]).json["refresh_token"]

    async def rotate_from_the_start() -> object:
        async with transaction() as session:
            return await SessionRepository(session).rotate(
                refresh_tokens.parse(token).session_id,
                from_generation=0,
                token_hash=refresh_tokens.fingerprint(newest),
                attempt_hash=None,
                idle_expires_at=clock.now() + timedelta(days=1),
            )

    assert run(rotate_from_the_start()) is None
    assert rotate(newest).status == 200


@pytest.mark.case("E11")
def test_no_token_survives_a_refresh_beside_a_logout(email: str):
    open_account(email)

    for _ in range(20):
        token = sign_in(email).json["refresh_token"]
        answers = at_once(
            *(post(refresh.app, refresh_token=token) for _ in range(5)),
            post(logout.app, refresh_token=token),
            *(post(refresh.app, refresh_token=token) for _ in range(5)),
        )
        issued = [each.json() for each in answers if each.status_code == 200]
        assert {rotate(tokens["refresh_token"]).status for tokens in issued} <= {401}
        assert {ask_me(tokens["access_token"]).status for tokens in issued} <= {401}
        assert rotate(token).status == 401
