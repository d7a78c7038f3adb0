import re
from typing import Any

import pytest
from passlib.context import CryptContext
from sqlalchemy import select, update

from shared.database import transaction
from shared.errors import EmailNotVerified, InvalidCredentials
from shared.models.user import User, UserStatus
from shared.process.event_loop import run
from shared.security import passwords
from shared.security.passwords import ARGON2, Verdict
from shared.services.login import log_in
from shared.services.sessions import Client
from tests.auth import (
    EMAIL,
    PASSWORD,
    ask_me,
    open_account,
    rotate,
    send,
    set_status,
    sign_in,
    sign_up,
)
from tests.catalogue.cases import case

pytestmark = pytest.mark.usefixtures("application")


class CountingHasher:
    """Refuses every password, and remembers its calls."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    async def hash(self, password: str) -> str:
        return f"hash of {password}"

    async def verify(self, password: str, stored: str | None) -> Verdict:
        self.asked.append(stored)
        return Verdict(correct=False)


def store_hash(password_hash: str) -> None:
    async def store() -> None:
        async with transaction() as session:
            await session.execute(update(User).values(password_hash=password_hash))

    run(store())


def stored_hash() -> str | None:
    async def read() -> str | None:
        async with transaction(writing=False) as session:
            return await session.scalar(select(User.password_hash))

    return run(read())


def test_the_right_pair_gets_tokens_in_the_body_and_in_cookies():
    open_account()

    answer = sign_in()

    assert answer.status == 200
    assert answer.json["token_type"] == "Bearer"
    assert (answer.json["expires_in"], answer.json["refresh_expires_in"]) == (600, 14 * 86400)
    assert answer.json["user"]["email"] == EMAIL
    assert set(answer.json["user"]) == {"id", "email", "status", "created_at"}
    assert set(answer.cookies) == {"access_token", "refresh_token", "device"}
    assert answer.cookies["access_token"] == answer.json["access_token"]
    assert answer.cookies["refresh_token"] == answer.json["refresh_token"]
    assert all("HttpOnly" in line and "Path=/" in line for line in answer.set_cookies)
    assert all(len(line) < 4096 for line in answer.set_cookies)


@pytest.mark.case("C20")
def test_a_client_that_wants_cookies_alone_gets_no_token_in_the_body():
    open_account()

    answer = sign_in(headers={"x-token-delivery": "cookie"})

    assert answer.status == 200
    assert "access_token" not in answer.json
    assert "refresh_token" not in answer.json
    assert set(answer.cookies) == {"access_token", "refresh_token", "device"}


def test_over_tls_the_cookies_are_bound_to_the_host(application: pytest.MonkeyPatch):
    application.setenv("COOKIE_SECURE", "true")
    open_account()

    answer = sign_in()

    assert set(answer.cookies) == {"__Host-access_token", "__Host-refresh_token", "__Host-device"}
    assert all(line.endswith("; Secure") for line in answer.set_cookies)


def test_a_session_without_remember_me_ends_with_the_browser_or_within_a_day():
    open_account()

    answer = send("login", json_body={"email": EMAIL, "password": PASSWORD, "remember": False})

    assert answer.json["refresh_expires_in"] == 86400
    tokens = [line for line in answer.set_cookies if not line.startswith("device=")]
    assert not any("Max-Age" in line for line in tokens)


@pytest.mark.case("C1", "C2")
def test_a_wrong_password_and_an_unknown_address_look_alike():
    open_account()

    wrong, unknown = sign_in(password="wrong password"), sign_in("nobody@example.com")

    assert wrong.status == unknown.status == 401
    assert wrong.json["code"] == "invalid_credentials"
    assert wrong.body == unknown.body
    assert wrong.headers == unknown.headers
    assert wrong.set_cookies == unknown.set_cookies == ()


@pytest.mark.case("C2")
def test_every_failed_login_costs_one_hash():
    open_account("active@example.com")
    sign_up("pending@example.com")
    open_account("disabled@example.com")
    set_status("disabled@example.com", UserStatus.DISABLED)
    hasher = CountingHasher()

    for name in ("active", "pending", "disabled", "unknown"):
        with pytest.raises(InvalidCredentials):
            run(log_in(f"{name}@example.com", "wrong password", Client(None, None), hasher))

    assert len(hasher.asked) == 4
    assert hasher.asked[3] is None


@pytest.mark.parametrize(
    ("password", "status", "code"),
    [(PASSWORD, 403, "email_not_verified"), ("wrong password", 401, "invalid_credentials")],
)
@pytest.mark.case("C3")
def test_only_the_owner_learns_that_an_account_is_pending(password: str, status: int, code: str):
    sign_up()

    answer = sign_in(password=password)

    assert (answer.status, answer.json["code"]) == (status, code)
    assert answer.set_cookies == ()


@pytest.mark.parametrize(
    ("password", "status", "code"),
    [(PASSWORD, 403, "account_disabled"), ("wrong password", 401, "invalid_credentials")],
)
@pytest.mark.case("C4")
def test_only_the_owner_learns_that_an_account_is_disabled(password: str, status: int, code: str):
    open_account()
    set_status(EMAIL, UserStatus.DISABLED)

    answer = sign_in(password=password)

    assert (answer.status, answer.json["code"]) == (status, code)


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.com"])
@pytest.mark.parametrize(
    "password",
    [
        case("C5", ""),
        case("C21", "x" * 129),
        case("C21", "🙂" * 257),
        None,
        1,
        case("C19", ["StrongPass123!"]),
        case("C19", {"$gt": ""}),
    ],
)
def test_a_password_of_an_impossible_form_is_refused_before_any_lookup(email: str, password: Any):
    open_account()

    answer = send("login", json_body={"email": email, "password": password})

    assert answer.status == 422
    assert answer.set_cookies == ()


def test_the_address_is_recognised_in_any_spelling():
    open_account("demo@bücher.example")

    assert sign_in("DEMO@xn--bcher-kva.example").status == 200


@pytest.mark.case("C15")
def test_an_older_hash_is_replaced_at_login(application: pytest.MonkeyPatch):
    application.setattr(passwords, "ARGON2", ARGON2)
    open_account()
    older = CryptContext(schemes=["argon2"], argon2__memory_cost=1024, argon2__time_cost=1)
    store_hash(older.hash(PASSWORD))

    answer = sign_in()

    assert answer.status == 200
    assert re.match(r"\$argon2id\$v=19\$m=19456,t=2,p=1\$", stored_hash() or "")
    assert sign_in().status == 200


@pytest.mark.case("C16")
def test_a_damaged_hash_lets_nobody_in():
    open_account()
    store_hash("$argon2id$damaged")

    assert sign_in().status == 401


def test_every_login_is_a_session_of_its_own():
    open_account()

    first, second = sign_in().json, sign_in().json

    assert first["refresh_token"][:26] != second["refresh_token"][:26]
    assert ask_me(first["access_token"]).status == 200
    assert ask_me(second["access_token"]).status == 200


@pytest.mark.case("C17")
def test_the_session_held_before_a_login_ends_with_it():
    open_account("attacker@example.com")
    open_account()
    planted = sign_in("attacker@example.com").json

    answer = sign_in(cookies={"refresh_token": planted["refresh_token"]})

    assert answer.status == 200
    assert rotate(planted["refresh_token"]).status == 401
    assert ask_me(planted["access_token"]).status == 401
    assert ask_me(answer.json["access_token"]).json["user"]["email"] == EMAIL


@pytest.mark.parametrize("cookie", ["", "garbage", "rt1_" + "A" * 71])
def test_an_invalid_cookie_does_not_prevent_a_login(cookie: str):
    open_account()

    assert sign_in(cookies={"refresh_token": cookie, "access_token": cookie}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"referer": "https://evil.example/page"},
    ],
)
@pytest.mark.case("C18")
def test_a_foreign_page_cannot_sign_its_visitor_in(headers: dict[str, str]):
    open_account()

    answer = sign_in(headers=headers)

    assert answer.status == 403
    assert answer.set_cookies == ()


def test_the_application_neither_stores_nor_shows_a_password(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], tmp_path: Any
):
    canary = "canary-7f3a-password"
    caplog.set_level("DEBUG", logger="shared")

    open_account(password=canary)
    sign_in(password=canary)
    sign_in(password=canary + "!")

    kept = b"".join(path.read_bytes() for path in tmp_path.glob("test.db*"))
    assert canary.encode() not in kept
    assert canary not in caplog.text + "".join(capfd.readouterr())


def test_an_account_that_is_pending_is_refused_by_the_service_too():
    sign_up()

    class Believer(CountingHasher):
        async def verify(self, password: str, stored: str | None) -> Verdict:
            return Verdict(correct=True)

    with pytest.raises(EmailNotVerified):
        run(log_in(EMAIL, PASSWORD, Client(None, None), Believer()))
