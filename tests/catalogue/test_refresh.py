import json
import struct
from datetime import timedelta

import pytest
from sqlalchemy import update

from local.keys import new_keys
from shared import database
from shared.database import transaction
from shared.models.base import database_now
from shared.models.session import UserSession
from shared.process.event_loop import run
from shared.security import base64url, refresh_tokens
from shared.singletons import forget_singletons
from tests.auth import ask_me, open_account, rotate, send, sign_in
from tests.catalogue.cases import case
from tests.http import Answer

pytestmark = pytest.mark.usefixtures("application")

SAME_ORIGIN = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


def let_pass(session: Answer, **since_rotation: float) -> None:
    """Rotations are timed by the database's clock, so their times are moved there."""
    session_id = refresh_tokens.parse(session.json["refresh_token"]).session_id
    seconds = timedelta(**since_rotation).total_seconds()

    async def change() -> None:
        async with transaction() as database_session:
            await database_session.execute(
                update(UserSession)
                .where(UserSession.id == session_id)
                .values(rotated_at=database_now(-seconds))
            )

    run(change())


def dead(session: Answer) -> bool:
    return ask_me(session.json["access_token"]).status == 401


@pytest.mark.parametrize(
    ("token", "statuses"),
    [
        case("E8", "", {401, 422}, name="nothing"),
        case("E8", "rt1_ünïcödé", {401}, name="unicode"),
        case("E8", "rt1_" + "A" * 1024 * 1024, {413, 422}, name="a megabyte"),
        case("E8", "rt1_" + "A" * 4000, {401}, name="four kilobytes"),
    ],
)
def test_a_text_that_is_not_a_token_is_refused(signed_in: Answer, token: str, statuses: set[int]):
    assert rotate(token).status in statuses
    assert rotate(signed_in.json["refresh_token"]).status == 200


@pytest.mark.case("E8")
@pytest.mark.parametrize("tail", ["=", "==", "A", " ", "\n"])
def test_a_token_has_one_spelling(signed_in: Answer, tail: str):
    assert rotate(signed_in.json["refresh_token"] + tail).status == 401
    assert not dead(signed_in)


@pytest.mark.case("E13")
def test_a_used_token_in_the_body_ends_its_session_whatever_the_cookie(signed_in: Answer):
    child = rotate(signed_in.json["refresh_token"])

    answer = rotate(signed_in.json["refresh_token"], cookies=child.cookies)

    assert (answer.status, answer.json["code"]) == (401, "refresh_token_reused")
    assert dead(child)


@pytest.mark.case("E17")
def test_a_token_of_an_unknown_key_is_refused_and_its_session_lives(
    signed_in: Answer, application: pytest.MonkeyPatch
):
    token = refresh_tokens.parse(signed_in.json["refresh_token"])
    other = struct.pack(
        ">B16sI32s", token.key_version + 7, token.session_id.bytes, token.generation, token.mac
    )

    answer = rotate("rt1_" + base64url.encode(other))

    assert (answer.status, answer.json["code"]) == (401, "invalid_refresh_token")
    assert rotate(signed_in.json["refresh_token"]).status == 200


@pytest.mark.case("E17")
def test_keys_of_another_deployment_make_no_valid_token(
    signed_in: Answer, application: pytest.MonkeyPatch
):
    run(database.engine().dispose())
    application.setenv("KEYS_JSON", json.dumps(new_keys()))
    forget_singletons()

    assert rotate(signed_in.json["refresh_token"]).status == 401


@pytest.mark.case("E4")
def test_a_lost_answer_can_be_requested_again_with_its_key(signed_in: Answer):
    first = rotate(signed_in.json["refresh_token"], headers={"idempotency-key": "one"})

    let_pass(signed_in, hours=23)
    again = rotate(signed_in.json["refresh_token"], headers={"idempotency-key": "one"})

    assert (first.status, again.status) == (200, 200)
    assert again.json["refresh_token"] == first.json["refresh_token"]
    assert rotate(again.json["refresh_token"]).status == 200


@pytest.mark.case("E4")
@pytest.mark.parametrize("headers", [{"idempotency-key": "two"}, {}], ids=["another key", "none"])
def test_without_that_key_a_used_token_ends_its_session(signed_in: Answer, headers: dict[str, str]):
    first = rotate(signed_in.json["refresh_token"], headers={"idempotency-key": "one"})

    again = rotate(signed_in.json["refresh_token"], headers=headers)

    assert (again.status, again.json["code"]) == (401, "refresh_token_reused")
    assert dead(first)


@pytest.mark.case("E4")
def test_the_key_is_valid_for_a_day(signed_in: Answer):
    rotate(signed_in.json["refresh_token"], headers={"idempotency-key": "one"})

    let_pass(signed_in, hours=24, seconds=1)
    late = rotate(signed_in.json["refresh_token"], headers={"idempotency-key": "one"})

    assert late.status == 401


@pytest.mark.case("E3")
def test_a_second_tab_gets_the_same_child_within_a_minute(signed_in: Answer):
    first = send("refresh", cookies=signed_in.cookies, headers=SAME_ORIGIN)

    let_pass(signed_in, seconds=59)
    second = send("refresh", cookies=signed_in.cookies, headers=SAME_ORIGIN)

    assert (first.status, second.status) == (200, 200)
    assert second.cookies["refresh_token"] == first.cookies["refresh_token"]


@pytest.mark.case("E3")
def test_a_tab_that_comes_later_than_that_ends_the_session(signed_in: Answer):
    first = send("refresh", cookies=signed_in.cookies, headers=SAME_ORIGIN)

    let_pass(signed_in, seconds=61)
    second = send("refresh", cookies=signed_in.cookies, headers=SAME_ORIGIN)

    assert second.json["code"] == "refresh_token_reused"
    assert dead(first)


@pytest.mark.case("E3")
def test_a_third_tab_that_is_late_still_gets_the_one_child(signed_in: Answer):
    first = send("refresh", cookies=signed_in.cookies, headers=SAME_ORIGIN)
    second = send("refresh", cookies=first.cookies, headers=SAME_ORIGIN)
    third = send("refresh", cookies=signed_in.cookies, headers=SAME_ORIGIN)

    assert [each.status for each in (first, second, third)] == [200, 200, 200]
    assert len({each.cookies["refresh_token"] for each in (first, second, third)}) == 1


@pytest.mark.case("E3")
def test_a_page_that_returns_later_advances_its_session(signed_in: Answer):
    first = send("refresh", cookies=signed_in.cookies, headers=SAME_ORIGIN)

    let_pass(signed_in, seconds=61)
    later = send("refresh", cookies=first.cookies, headers=SAME_ORIGIN)

    assert later.status == 200
    assert later.cookies["refresh_token"] != first.cookies["refresh_token"]


@pytest.mark.case("E5")
@pytest.mark.parametrize("confirm_by", ["access token", "refresh token"])
def test_a_token_whose_successor_was_used_ends_the_session(signed_in: Answer, confirm_by: str):
    child = send("refresh", cookies=signed_in.cookies, headers=SAME_ORIGIN)
    if confirm_by == "access token":
        assert ask_me(child.json["access_token"]).status == 200
    else:
        child = rotate(child.json["refresh_token"])

    parent = send("refresh", cookies=signed_in.cookies, headers=SAME_ORIGIN)

    assert (parent.status, parent.json["code"]) == (401, "refresh_token_reused")
    assert dead(child)
