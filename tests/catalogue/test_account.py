from datetime import timedelta
from typing import Any

import pytest
import time_machine

from shared import clock
from tests.auth import EMAIL, PASSWORD, ask_me, confirm, open_account, rotate, sign_in, sign_up
from tests.catalogue.gateway import request
from tests.catalogue.mailbox import letters, token_in
from tests.http import Answer

pytestmark = pytest.mark.usefixtures("application")

OTHER = "other@example.com"
NEW_PASSWORD = "another password altogether"


@pytest.fixture(autouse=True)
def mailbox(application: pytest.MonkeyPatch) -> None:
    application.setenv("MAIL_URL", "mailbox://")


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


@pytest.fixture
def by_mail_alone(application: pytest.MonkeyPatch) -> None:
    application.setenv("AUTH_VERIFICATION_DELIVERY", "email")


def post(path: str, session: Answer | None = None, /, **body: Any) -> Answer:
    token = session.json["access_token"] if session is not None else None
    return request("POST", path, token=token, json_body=body)


def forget_password(email: str = EMAIL, **options: Any) -> Answer:
    return request("POST", "/auth/password/forgot", json_body={"email": email}, **options)


def reset_token() -> str:
    assert forget_password().status == 202
    return token_in(letters(EMAIL)[-1])


def reset(token: str, password: str = NEW_PASSWORD) -> Answer:
    return post("/auth/password/reset", token=token, password=password)


def assert_over(session: Answer) -> None:
    assert ask_me(session.json["access_token"]).status == 401
    assert rotate(session.json["refresh_token"]).status == 401


@pytest.mark.case("I1")
def test_a_password_reset_for_an_unknown_address_is_answered_like_any_other(signed_in: Answer):
    known, unknown = forget_password(EMAIL), forget_password("nobody@example.com")

    assert (known.status, unknown.status) == (202, 202)
    assert (known.body, known.headers) == (unknown.body, unknown.headers)
    assert len(letters(EMAIL)) == 1
    assert letters("nobody@example.com") == []


@pytest.mark.case("I2")
def test_a_link_leads_to_the_configured_address_whatever_the_host_header(
    application: pytest.MonkeyPatch,
):
    application.setenv("PUBLIC_URL", "https://app.example.com")
    open_account()
    forged = {"host": "evil.example", "x-forwarded-host": "evil.example"}

    forget_password(headers=forged)

    (letter,) = letters(EMAIL)
    assert "https://app.example.com/" in letter
    assert "evil" not in letter


@pytest.mark.case("I3")
def test_a_reset_token_works_once(signed_in: Answer):
    token = reset_token()

    assert reset(token).status == 200
    assert reset(token, "yet another password").status == 400
    assert sign_in(password=NEW_PASSWORD).status == 200


@pytest.mark.case("I3")
def test_a_reset_token_works_half_an_hour(signed_in: Answer):
    token = reset_token()

    with time_machine.travel(clock.now() + timedelta(minutes=30, seconds=1)):
        assert reset(token).json["code"] == "invalid_or_expired_token"
    assert sign_in().status == 200


@pytest.mark.case("I3")
def test_a_token_serves_no_purpose_but_its_own(signed_in: Answer):
    verification = sign_up(OTHER).json["verification"]["token"]

    assert reset(verification).status == 400
    assert confirm(reset_token()).status == 400
    assert post("/auth/email/confirm", token=reset_token()).status == 400


@pytest.mark.case("I4")
def test_a_reset_ends_every_session_and_every_other_token(signed_in: Answer):
    elsewhere, first, second = sign_in(), reset_token(), reset_token()

    assert reset(second).status == 200

    assert_over(signed_in)
    assert_over(elsewhere)
    assert reset(first, "yet another password").status == 400
    assert sign_in().status == 401


@pytest.mark.case("E12")
def test_a_changed_password_ends_every_session_but_gives_a_new_one(signed_in: Answer):
    elsewhere = sign_in()

    changed = post(
        "/auth/password/change", signed_in, current_password=PASSWORD, new_password=NEW_PASSWORD
    )

    assert changed.status == 200
    assert ask_me(changed.json["access_token"]).status == 200
    assert_over(elsewhere)
    assert rotate(signed_in.json["refresh_token"]).status == 401
    assert sign_in(password=NEW_PASSWORD).status == 200


@pytest.mark.case("I6")
def test_only_the_mailbox_learns_of_a_change_to_a_taken_address(signed_in: Answer):
    open_account(OTHER)

    taken = post("/auth/email/change", signed_in, email=OTHER)
    free = post("/auth/email/change", signed_in, email="free@example.com")
    confirmed = post("/auth/email/confirm", token=token_in(letters(OTHER)[-1]))

    assert (taken.status, free.status) == (202, 202)
    assert taken.body == free.body
    assert confirmed.status == 409
    assert ask_me(signed_in.json["access_token"]).json["user"]["email"] == EMAIL


@pytest.mark.case("I7")
def test_nobody_deletes_an_account_from_a_session_left_open(signed_in: Answer):
    with time_machine.travel(clock.now() + timedelta(minutes=6)):
        refused = request("DELETE", "/auth/me", token=signed_in.json["access_token"])
        fresh = post("/auth/reauthenticate", signed_in, password=PASSWORD)
        accepted = request("DELETE", "/auth/me", token=fresh.json["access_token"])

    assert (refused.status, refused.json["code"]) == (403, "reauthentication_required")
    assert accepted.status == 202


@pytest.mark.case("I8")
def test_nothing_works_for_a_deleted_account(signed_in: Answer):
    elsewhere, reset_by = sign_in(), reset_token()

    assert request("DELETE", "/auth/me", token=signed_in.json["access_token"]).status == 202

    assert_over(signed_in)
    assert_over(elsewhere)
    assert sign_in().status == 401
    assert reset(reset_by).status == 400
    assert sign_up().status == 409


@pytest.mark.case("B11")
@pytest.mark.usefixtures("by_mail_alone")
@pytest.mark.parametrize("first", ["owner", "attacker"])
def test_the_owner_of_a_mailbox_gets_their_own_password_whoever_else_signs_up(first: str):
    """Each password takes effect only with the token that was sent for it."""
    mailed = {}
    for who in (first, "attacker" if first == "owner" else "owner"):
        sign_up(password=f"the {who}'s password")
        mailed[who] = token_in(letters(EMAIL)[-1])

    assert confirm(mailed["owner"]).status == 200

    assert sign_in(password="the owner's password").status == 200
    assert sign_in(password="the attacker's password").status == 401
    assert confirm(mailed["attacker"]).status == 400


@pytest.mark.case("F5")
def test_another_user_s_session_cannot_be_reached(signed_in: Answer):
    open_account(OTHER)
    stranger = sign_in(OTHER)
    token = stranger.json["access_token"]
    (theirs,) = request("GET", "/auth/sessions", token=signed_in.json["access_token"]).json["items"]

    answer = request("DELETE", f"/auth/sessions/{theirs['id']}", token=token)

    assert answer.status == 404
    assert ask_me(signed_in.json["access_token"]).status == 200


@pytest.mark.case("F6")
def test_the_list_of_sessions_shows_nothing_to_steal(signed_in: Answer):
    answer = request("GET", "/auth/sessions", token=signed_in.json["access_token"])

    shown = {"id", "created_at", "last_used_at", "expires_at", "ip", "user_agent", "current"}
    assert [set(each) for each in answer.json["items"]] == [shown]
    assert not any(word in answer.body.decode() for word in ("token", "hash", "salt", "rt1_"))
