from datetime import UTC, datetime
from typing import Any

import pytest

from shared.plans import a_month_after
from tests.auth import EMAIL, PASSWORD, ask_me, confirm, open_account, send, sign_in, sign_up
from tests.catalogue.cases import case

pytestmark = pytest.mark.usefixtures("application")


@pytest.fixture
def by_mail_alone(application: pytest.MonkeyPatch) -> None:
    application.setenv("AUTH_VERIFICATION_DELIVERY", "email")


def test_a_new_account_is_pending_and_its_token_is_in_the_answer():
    answer = sign_up("Demo@Example.com")

    assert answer.status == 201
    assert set(answer.json) == {"user", "verification"}
    assert answer.json["user"]["email"] == "Demo@Example.com"
    assert answer.json["user"]["status"] == "pending"
    assert answer.json["verification"]["token"].startswith("ev1_")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.set_cookies == ()


def test_an_account_begins_with_a_profile_and_the_free_plan():
    open_account()
    token = sign_in().json["access_token"]

    account = ask_me(token).json

    assert account["user"]["status"] == "active"
    assert account["profile"] == {"display_name": None, "locale": None}
    assert account["subscription"]["plan"] == "free"


@pytest.mark.parametrize("confirmed", [False, True])
@pytest.mark.parametrize("again", ["demo@example.com", "DEMO@EXAMPLE.COM"])
@pytest.mark.case("A24")
def test_an_address_has_one_account(confirmed: bool, again: str):
    token = sign_up().json["verification"]["token"]
    if confirmed:
        confirm(token)

    answer = sign_up(again)

    assert answer.status == 409
    assert answer.json["code"] == "email_taken"


@pytest.mark.usefixtures("by_mail_alone")
def test_where_tokens_are_mailed_a_known_address_looks_like_a_new_one(
    application: pytest.MonkeyPatch,
):
    first, second = sign_up(), sign_up()

    assert (first.status, second.status) == (201, 201)
    assert set(first.json["user"]) == set(second.json["user"]) == {"email", "status"}
    assert set(first.json["verification"]) == set(second.json["verification"]) == {"expires_at"}
    assert set(first.headers) == set(second.headers)


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        "x",
        {"email": EMAIL},
        {"password": PASSWORD},
        {"email": EMAIL, "password": None},
        {"email": EMAIL, "password": 12345678},
        {"email": EMAIL, "password": ["StrongPass123!"]},
        {"email": EMAIL, "password": {"$ne": ""}},
        {"email": [EMAIL], "password": PASSWORD},
        case("A14", {"email": EMAIL, "password": PASSWORD, "is_admin": True}),
        case("A14", {"email": EMAIL, "password": PASSWORD, "id": "1"}),
        case("A14", {"email": EMAIL, "password": PASSWORD, "status": "active"}),
        case("A29", {"email": EMAIL, "password": PASSWORD, "__proto__": {}}),
        case("A10", {"email": EMAIL, "password": "with \x00 inside"}),
        case("A8", {"email": EMAIL, "password": "half a pair \ud800"}),
        case("A21", {"email": "Demo <demo@example.com>", "password": PASSWORD}),
        case("A22", {"email": "demo@example.com\r\nBcc: all@example.com", "password": PASSWORD}),
        case("A23", {"email": "a" * 65 + "@example.com", "password": PASSWORD}),
        {"email": "a@" + "b." * 150 + "com", "password": PASSWORD},
        {"email": "", "password": PASSWORD},
    ],
    ids=repr,
)
def test_a_body_of_another_shape_is_refused_and_makes_no_account(body: Any):
    answer = send("register", json_body=body, body=b"null" if body is None else None)

    assert answer.status in (415, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert sign_up().status == 201


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        case("A1", b"", None, 422),
        case("A3", b'{"email": "a@example.com"}', "text/plain", 415),
        case("A4", b'{"email": "a@example.com"}', None, 415),
        case("A5", b"email=a@example.com", "application/x-www-form-urlencoded", 415),
        (b"{", "application/json", 400),
        case("A7", b"\xff\xfe{}", "application/json", 400),
        case("A9", b'{"email": NaN}', "application/json", 400),
        (b'{"email": ' + b"9" * 5000 + b"}", "application/json", 400),
        case("A13", b'{"email": "a", "email": "b"}', "application/json", 400),
        case("A11", b"[" * 10_000, "application/json", 400),
        (b'{"password": "' + b"x" * 20_000 + b'"}', "application/json", 413),
    ],
)
def test_bytes_that_are_no_json_body_are_refused(
    body: bytes, content_type: str | None, status: int
):
    headers = {"content-type": content_type} if content_type else {}

    answer = send("register", body=body, headers=headers)

    assert answer.status == status


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        case("A15", "7 chars", "too_short"),
        case("A16", "x" * 129, "too_long"),
        ("🙂" * 300, "too_long"),
        case("A17", "Password123", "common"),
        case("A18", "demo@2026", "contains_email"),
        ("i-love-LAMPWORK", "contains_product_name"),
    ],
)
def test_an_easily_guessed_password_is_refused(password: str, reason: str):
    answer = sign_up(password=password)

    assert answer.status == 422
    assert answer.json["code"] == "weak_password"
    assert reason in answer.json["reasons"]


@pytest.mark.parametrize(
    "password",
    [
        " leading and trailing ",
        "🙂🙃🙂🙃🙂🙃🙂🙃",
        case("A16", "x" * 128),
        "'; DROP TABLE users; --",
    ],
)
@pytest.mark.case("A19")
def test_every_character_of_a_password_counts(password: str):
    open_account(password=password)

    assert sign_in(password=password).status == 200
    assert sign_in(password=password.strip()[:-1]).status == 401


@pytest.mark.case("A27")
def test_a_foreign_page_cannot_sign_its_visitor_up():
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}

    answer = send("register", json_body={"email": EMAIL, "password": PASSWORD}, headers=headers)

    assert answer.status == 403
    assert answer.json["code"] == "csrf_rejected"
    assert sign_up().status == 201


@pytest.mark.parametrize(
    ("start", "end"),
    [((2026, 1, 31), (2026, 2, 28)), ((2026, 12, 5), (2027, 1, 5)), ((2028, 1, 30), (2028, 2, 29))],
)
def test_a_period_ends_on_the_same_day_of_the_next_month(
    start: tuple[int, int, int], end: tuple[int, int, int]
):
    assert a_month_after(datetime(*start, 12, tzinfo=UTC)) == datetime(*end, 12, tzinfo=UTC)
