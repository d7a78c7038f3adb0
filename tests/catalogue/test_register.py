import time
from typing import Any, cast

import pytest
from sqlalchemy import func, select

from shared.database import transaction
from shared.models.user import User
from shared.process.event_loop import run
from shared.security.password_policy import common_passwords
from tests.auth import EMAIL, PASSWORD, ask_me, open_account, send, sign_in, sign_up
from tests.catalogue.cases import case
from tests.catalogue.mailbox import letters

pytestmark = pytest.mark.usefixtures("application")

JSON = {"content-type": "application/json"}


def users() -> int:
    async def count() -> int:
        async with transaction(writing=False) as session:
            return await session.scalar(select(func.count()).select_from(User)) or 0

    return run(count())


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        case("A2", b"[]", {422}),
        case("A2", b"null", {422}),
        case("A2", b'"x"', {422}),
        case("A6", '{"email": "a@example.com"}'.encode("utf-16"), {400}, name="UTF-16"),
        case("A6", b'\xef\xbb\xbf{"email": "a@example.com"}', {400}, name="byte order mark"),
        case("A7", b'{"email": "\xff"}', {400}),
        case("A9", b'{"email": Infinity}', {400}),
        case("A9", b'{"email": -Infinity}', {400}),
        case("A10", rb'{"email": "a\u0000@example.com", "password": "StrongPass123!"}', {422}),
        case("A10", rb'{"em\u0000ail": "a@example.com"}', {422}),
        case("A11", b"[" * 200_000, {413}, name="200,000"),
        case("A11", b'{"a":' * 3_000, {400}, name="3,000"),
        case("A29", b"{%s}" % b",".join(b'"%d":0' % n for n in range(1_500)), {422}, name="1,500"),
        case("A29", b"{%s}" % b",".join(b'"%d":0' % n for n in range(10_000)), {413}, name="10^4"),
    ],
)
def test_an_invalid_sign_up_is_refused(body: bytes, statuses: set[int]):
    answer = send("register", body=body, headers=JSON)

    assert answer.status in statuses
    assert answer.headers["content-type"] == "application/problem+json"
    assert users() == 0


@pytest.mark.case("A6")
def test_only_utf_8_may_be_declared():
    answer = send("register", body=b"{}", headers={"content-type": "application/json; charset=x"})

    assert answer.status == 415


@pytest.mark.case("A12")
def test_a_password_of_a_megabyte_is_refused_cheaply():
    body = b'{"email": "%s", "password": "%s"}' % (EMAIL.encode(), b"x" * 1024 * 1024)
    send("register", body=b"{}", headers=JSON)
    before = time.process_time()

    answer = send("register", body=body, headers=JSON)

    assert answer.status == 413
    assert time.process_time() - before < 0.02


@pytest.mark.case("A14")
@pytest.mark.parametrize("member", ["role", "email_verified", "auth_epoch", "plan"])
def test_a_sign_up_cannot_set_more_than_a_plain_account(member: str):
    answer = send("register", json_body={"email": EMAIL, "password": PASSWORD, member: "admin"})

    assert answer.status == 422
    assert users() == 0


@pytest.mark.case("A15")
def test_a_refused_password_is_not_repeated():
    answer = sign_up(password="seven77")

    assert (answer.status, answer.json["code"]) == (422, "weak_password")
    assert b"seven77" not in answer.body


@pytest.mark.case("A20")
def test_no_password_is_cut_off_at_72_bytes():
    open_account(password="x" * 72 + "the end")

    assert sign_in(password="x" * 72 + "another").status == 401
    assert sign_in(password="x" * 72).status == 401
    assert sign_in(password="x" * 72 + "the end").status == 200


@pytest.mark.case("A24")
def test_an_address_in_capitals_is_the_same_account(application: pytest.MonkeyPatch):
    application.setenv("AUTH_VERIFICATION_DELIVERY", "email")

    assert [sign_up(EMAIL).status, sign_up(EMAIL.upper()).status] == [201, 201]
    letters(EMAIL)
    assert users() == 1


@pytest.mark.case("A25")
def test_an_international_domain_and_its_punycode_are_the_same():
    assert sign_up("demo@bücher.example").status == 201
    assert sign_up("demo@xn--bcher-kva.example").status == 409
    assert users() == 1


@pytest.mark.case("A28")
@pytest.mark.parametrize("name", ["o'brien--", "{{7*7}}", "$id", "%s%n", "x/**/or/**/1=1"])
def test_input_that_other_systems_interpret_has_no_effect(name: str):
    email, password = f"{name}@example.com", "'; DROP TABLE users; -- {{8*8}} ${IFS} %s"
    open_account(email, password)

    signed_in = sign_in(email, password)

    assert ask_me(signed_in.json["access_token"]).json["user"]["email"] == email
    assert users() == 1


@pytest.mark.case("A30")
@pytest.mark.parametrize("route", ["register", "verify", "login", "refresh", "logout"])
def test_no_get_request_changes_anything(route: str):
    answer: Any = send(route, method="GET")

    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.case("A17")
def test_only_a_request_that_sets_a_password_reads_the_list_of_common_ones():
    singleton = cast(Any, common_passwords)
    open_account()
    by_the_sign_up = singleton.cache_info().currsize
    singleton.cache_clear()

    assert sign_in().status == 200

    assert (by_the_sign_up, singleton.cache_info().currsize) == (1, 0)
