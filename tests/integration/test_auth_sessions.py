from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
import time_machine

from functions.auth import authorize, jwks, list_sessions, revoke_session
from shared import clock
from shared.models.user import UserStatus
from shared.security import access_tokens
from shared.security.keys import keys
from tests.auth import EMAIL, ask_me, open_account, rotate, set_status, sign_in
from tests.http import Answer, call

pytestmark = pytest.mark.usefixtures("application")

SESSIONS = "/api/v1/auth/sessions"


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


def bearer(signed_in: Answer) -> dict[str, str]:
    return {"authorization": f"Bearer {signed_in.json['access_token']}"}


def sessions_of(signed_in: Answer) -> list[dict[str, Any]]:
    answer = call(list_sessions.handler, "GET", SESSIONS, headers=bearer(signed_in))
    assert answer.status == 200
    items: list[dict[str, Any]] = answer.json["items"]
    return items


def id_of(signed_in: Answer) -> str:
    return next(str(each["id"]) for each in sessions_of(signed_in) if each["current"])


def end(session_id: str, **request: Any) -> Answer:
    return call(revoke_session.handler, "DELETE", f"{SESSIONS}/{session_id}", **request)


def ask_gateway(**request: Any) -> Answer:
    return call(authorize.handler, "GET", "/api/v1/auth/authorize", **request)


def test_a_user_sees_where_they_are_signed_in(signed_in: Answer):
    sign_in(headers={"user-agent": "Phone"}, source_ip="203.0.113.9")
    open_account("other@example.com")
    sign_in("other@example.com")

    here, there = sorted(sessions_of(signed_in), key=lambda each: not each["current"])

    assert (here["current"], there["current"]) == (True, False)
    assert (there["ip"], there["user_agent"]) == ("203.0.113.9", "Phone")
    assert datetime.fromisoformat(there["expires_at"]) > clock.now() + timedelta(days=13)
    assert set(here) == {
        *("id", "created_at", "last_used_at", "expires_at", "ip", "user_agent", "current")
    }


def test_an_ended_session_is_not_listed(signed_in: Answer):
    other = sign_in()
    end(id_of(other), headers=bearer(signed_in))
    with time_machine.travel(clock.now() - timedelta(days=20)):
        sign_in()

    assert [each["current"] for each in sessions_of(signed_in)] == [True]


def test_another_sign_in_can_be_ended_from_here(signed_in: Answer):
    other = sign_in()

    answer = end(id_of(other), headers=bearer(signed_in))

    assert (answer.status, answer.set_cookies) == (204, ())
    assert ask_me(other.json["access_token"]).status == 401
    assert rotate(other.json["refresh_token"]).status == 401
    assert ask_me(signed_in.json["access_token"]).status == 200


def test_the_current_sign_in_can_be_ended_as_well(signed_in: Answer):
    answer = end(id_of(signed_in), cookies=signed_in.cookies)

    assert answer.status == 204
    assert answer.cookies == {"access_token": "", "refresh_token": ""}
    assert ask_me(signed_in.json["access_token"]).status == 401


def test_nobody_can_end_the_sign_in_of_somebody_else(signed_in: Answer):
    open_account("other@example.com")
    other = sign_in("other@example.com")

    foreign = end(id_of(other), headers=bearer(signed_in))
    missing = end(str(uuid4()), headers=bearer(signed_in))

    assert (foreign.status, foreign.json["code"]) == (404, "session_not_found")
    assert foreign.json["detail"] == missing.json["detail"]
    assert ask_me(other.json["access_token"]).status == 200


def test_a_sign_in_that_has_ended_cannot_be_ended_again(signed_in: Answer):
    session_id = id_of(sign_in())
    end(session_id, headers=bearer(signed_in))

    assert end(session_id, headers=bearer(signed_in)).status == 404


@pytest.mark.parametrize("session_id", ["x", "0" * 5000])
def test_a_value_that_is_no_id_is_refused(signed_in: Answer, session_id: str):
    assert end(session_id, headers=bearer(signed_in)).status == 422


def test_a_foreign_page_ends_no_session(signed_in: Answer):
    session_id, headers = id_of(signed_in), {"origin": "https://evil.example"}

    assert end(session_id, cookies=signed_in.cookies, headers=headers).status == 403
    assert ask_me(signed_in.json["access_token"]).status == 200


def test_listing_and_ending_sessions_need_a_sign_in():
    assert call(list_sessions.handler, "GET", SESSIONS).status == 401
    assert end(str(uuid4())).status == 401


def test_a_sign_in_above_the_limit_ends_the_least_recently_used_one(
    signed_in: Answer, application: pytest.MonkeyPatch
):
    oldest, kept = sign_in(), signed_in
    others = [sign_in() for _ in range(18)]
    used = rotate(kept.json["refresh_token"])

    newest = sign_in()

    assert ask_me(oldest.json["access_token"]).status == 401
    assert rotate(oldest.json["refresh_token"]).status == 401
    for alive in (used, newest, *others):
        assert ask_me(alive.json["access_token"]).status == 200
    assert len(sessions_of(newest)) == 20


def test_a_gateway_is_told_which_user_sent_a_request(signed_in: Answer):
    user_id = signed_in.json["user"]["id"]

    for credential in ({"headers": bearer(signed_in)}, {"cookies": signed_in.cookies}):
        answer = ask_gateway(**credential)

        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["x-user-id"] == user_id


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer garbage"},
        {"authorization": "Bearer a,Bearer b"},
        {"cookie": "access_token=a; access_token=b"},
        {"x-user-id": "0a89f0bd-5e2c-4c7e-9d6a-3b1f0c8e7d21"},
    ],
    ids=repr,
)
def test_a_gateway_is_told_401_about_anybody_else(signed_in: Answer, headers: dict[str, str]):
    answer = ask_gateway(headers=headers)

    assert answer.status == 401
    assert "x-user-id" not in answer.headers


def test_a_gateway_is_told_401_once_the_account_is_disabled(signed_in: Answer):
    set_status(EMAIL, UserStatus.DISABLED)

    assert ask_gateway(headers=bearer(signed_in)).status == 401


@pytest.mark.parametrize(("method", "status"), [("GET", 204), ("POST", 403), ("DELETE", 403)])
def test_behind_a_gateway_a_foreign_page_changes_nothing(
    signed_in: Answer, method: str, status: int
):
    headers = {"origin": "https://evil.example", "x-original-method": method}

    assert ask_gateway(cookies=signed_in.cookies, headers=headers).status == status


def test_the_published_keys_verify_and_do_not_sign(signed_in: Answer):
    answer = call(jwks.handler, "GET", "/.well-known/jwks.json")

    assert answer.status == 200
    assert answer.headers["cache-control"] == "public, max-age=300"
    published = answer.json["keys"]
    assert all(set(key) == {"kty", "crv", "kid", "x", "use", "alg"} for key in published)
    assert [key["kid"] for key in published] == [key.kid for key in keys().signing.published]
    assert access_tokens.read(signed_in.json["access_token"])
