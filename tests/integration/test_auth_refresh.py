from datetime import timedelta

import pytest
import time_machine

from shared import clock, database
from shared.models.user import UserStatus
from shared.process.event_loop import run
from shared.singletons import forget_singletons
from tests.auth import EMAIL, ask_me, open_account, rotate, send, set_status, sign_in
from tests.http import Answer

pytestmark = pytest.mark.usefixtures("application")

DELETED = {"access_token": "", "refresh_token": ""}


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


def test_a_refresh_token_is_exchanged_for_the_next(signed_in: Answer):
    answer = rotate(signed_in.json["refresh_token"])

    assert answer.status == 200
    assert answer.json["refresh_token"] != signed_in.json["refresh_token"]
    assert answer.cookies["refresh_token"] == answer.json["refresh_token"]
    assert ask_me(answer.json["access_token"]).status == 200


def test_a_browser_refreshes_with_its_cookies_alone(signed_in: Answer):
    answer = send("refresh", cookies=signed_in.cookies, headers={"x-token-delivery": "cookie"})

    assert answer.status == 200
    assert "refresh_token" not in answer.json
    assert answer.cookies["refresh_token"] != signed_in.cookies["refresh_token"]


@pytest.mark.case("E1")
def test_a_token_used_again_ends_its_session(signed_in: Answer):
    first = signed_in.json["refresh_token"]
    child = rotate(first).json

    again = rotate(first)

    assert again.status == 401
    assert again.json["code"] == "refresh_token_reused"
    assert rotate(child["refresh_token"]).json["code"] == "invalid_refresh_token"
    assert ask_me(child["access_token"]).status == 401


@pytest.mark.case("E6")
def test_a_grandparent_ends_its_session_too(signed_in: Answer):
    first = signed_in.json["refresh_token"]
    third = rotate(rotate(first).json["refresh_token"]).json

    assert rotate(first).json["code"] == "refresh_token_reused"
    assert rotate(third["refresh_token"]).status == 401


def test_another_session_is_not_affected(signed_in: Answer):
    other = sign_in().json
    rotate(signed_in.json["refresh_token"])
    rotate(signed_in.json["refresh_token"])

    assert ask_me(other["access_token"]).status == 200
    assert rotate(other["refresh_token"]).status == 200


@pytest.mark.parametrize("position", [10, 30, 40, 70])
@pytest.mark.case("E7")
def test_a_forged_token_changes_nothing(signed_in: Answer, position: int):
    token = signed_in.json["refresh_token"]
    changed = "A" if token[position] != "A" else "B"

    answer = rotate(token[:position] + changed + token[position + 1 :])

    assert answer.status == 401
    assert answer.json["code"] == "invalid_refresh_token"
    assert rotate(token).status == 200


@pytest.mark.parametrize("token", ["x", "rt1_", "rt1_é", "rt1_" + "A" * 71, "rt1_" + "A" * 4000])
def test_a_text_that_is_not_a_token_is_refused(signed_in: Answer, token: str):
    assert rotate(token).status == 401
    assert rotate(signed_in.json["refresh_token"] + "=").status == 401
    assert rotate(signed_in.json["refresh_token"]).status == 200


@pytest.mark.case("E9")
def test_an_access_token_does_not_refresh(signed_in: Answer):
    assert rotate(signed_in.json["access_token"]).status == 401


@pytest.mark.case("D11", "G5")
def test_a_refresh_token_gives_no_access(signed_in: Answer):
    refresh_token = signed_in.json["refresh_token"]

    assert ask_me(refresh_token).status == 401
    assert send("me", method="GET", cookies={"access_token": refresh_token}).status == 401


@pytest.mark.case("E13")
def test_the_token_of_the_body_wins_over_the_cookie(signed_in: Answer):
    other = sign_in()

    answer = rotate(signed_in.json["refresh_token"], cookies=other.cookies)

    assert answer.status == 200
    assert rotate(other.json["refresh_token"]).status == 200


def test_a_bad_token_in_the_body_leaves_the_cookie_alone(signed_in: Answer):
    answer = rotate("rt1_bad", cookies=signed_in.cookies)

    assert answer.status == 401
    assert answer.set_cookies == ()
    assert send("refresh", cookies=signed_in.cookies).status == 200


def test_the_cookies_of_a_dead_session_are_deleted(signed_in: Answer):
    send("refresh", cookies=signed_in.cookies)

    answer = send("refresh", cookies=signed_in.cookies)

    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.cookies == DELETED


def test_no_token_at_all_is_refused():
    assert send("refresh").status == 401
    assert send("refresh", json_body={}).status == 401


def test_two_refresh_cookies_are_ambiguous(signed_in: Answer):
    token = signed_in.json["refresh_token"]

    answer = send("refresh", headers={"cookie": f"refresh_token={token}; refresh_token=x"})

    assert answer.status == 401
    assert answer.json["code"] == "ambiguous_cookies"
    assert rotate(token).status == 200


@pytest.mark.case("E10")
def test_a_session_that_is_not_refreshed_for_two_weeks_ends(signed_in: Answer):
    with time_machine.travel(clock.now() + timedelta(days=14, seconds=1)):
        answer = send("refresh", cookies=signed_in.cookies)

    assert answer.status == 401
    assert answer.cookies == DELETED


@pytest.mark.case("E10")
def test_a_session_ends_after_thirty_days_however_often_refreshed(signed_in: Answer):
    start, token = clock.now(), signed_in.json["refresh_token"]

    for day in range(3, 30, 3):
        with time_machine.travel(start + timedelta(days=day)):
            answer = rotate(token)
            assert answer.status == 200
            token = answer.json["refresh_token"]

    assert answer.json["refresh_expires_in"] <= 3 * 86400
    with time_machine.travel(start + timedelta(days=30, seconds=1)):
        assert rotate(token).status == 401


@pytest.mark.case("E12")
def test_the_refresh_token_of_a_disabled_account_is_refused(signed_in: Answer):
    set_status(EMAIL, UserStatus.DISABLED)

    assert rotate(signed_in.json["refresh_token"]).status == 401


@pytest.mark.case("E15")
def test_a_foreign_page_cannot_use_up_the_cookie(signed_in: Answer):
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site"}

    answer = send("refresh", cookies=signed_in.cookies, headers=headers)

    assert answer.status == 403
    assert send("refresh", cookies=signed_in.cookies).status == 200


@pytest.mark.case("E14")
def test_nobody_is_signed_out_while_the_database_is_unavailable(
    signed_in: Answer, application: pytest.MonkeyPatch
):
    run(database.engine().dispose())
    application.setenv("DATABASE_URL", "sqlite+aiosqlite:////nonexistent/folder/database")
    forget_singletons()

    answer = send("refresh", cookies=signed_in.cookies)

    assert answer.status == 503
    assert answer.json["code"] == "unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert answer.set_cookies == ()
    assert ask_me(signed_in.json["access_token"]).status == 503
