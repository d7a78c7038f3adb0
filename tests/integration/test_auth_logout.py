from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import time_machine
from dramatiq import Message
from redis import Redis

from shared import clock
from shared.process.event_loop import run
from shared.stream.connections import Cursor, connections
from tests.auth import ask_me, open_account, rotate, send, sign_in
from tests.http import Answer
from tests.watchers import connection

pytestmark = pytest.mark.usefixtures("application")

DELETED = {"access_token": "", "refresh_token": ""}


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


def bearer(answer: Answer) -> dict[str, str]:
    return {"authorization": f"Bearer {answer.json['access_token']}"}


def assert_over(session: Answer) -> None:
    assert ask_me(session.json["access_token"]).status == 401
    assert rotate(session.json["refresh_token"]).status == 401


@pytest.mark.case("F1")
def test_signing_out_ends_the_session_at_once(signed_in: Answer):
    answer = send("logout", cookies=signed_in.cookies)

    assert (answer.status, answer.body) == (204, b"")
    assert answer.cookies == DELETED
    assert_over(signed_in)


def test_any_credential_names_the_session(signed_in: Answer):
    by_body, by_bearer, by_access_cookie = sign_in(), sign_in(), sign_in()

    send("logout", json_body={"refresh_token": by_body.json["refresh_token"]})
    send("logout", headers=bearer(by_bearer))
    send("logout", cookies={"access_token": by_access_cookie.json["access_token"]})

    for session in (by_body, by_bearer, by_access_cookie):
        assert_over(session)
    assert ask_me(signed_in.json["access_token"]).status == 200


@pytest.mark.case("F2")
def test_an_expired_access_token_still_ends_its_session(signed_in: Answer):
    with time_machine.travel(clock.now() + timedelta(hours=2)):
        answer = send("logout", headers=bearer(signed_in))

        assert answer.status == 204
        assert rotate(signed_in.json["refresh_token"]).status == 401


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"json_body": {}},
        {"json_body": {"refresh_token": "garbage"}},
        {"json_body": {"refresh_token": "x" * 10_000}},
        {"cookies": {"refresh_token": "garbage", "access_token": "garbage"}},
        {"headers": {"authorization": "Bearer garbage"}},
        {"headers": {"authorization": "Basic YTpi"}},
        {"headers": {"authorization": "Bearer a,Bearer b"}},
        {"headers": {"cookie": "refresh_token=a; refresh_token=b"}},
    ],
    ids=repr,
)
@pytest.mark.case("F2")
def test_signing_out_always_works(request_: dict[str, Any]):
    answer = send("logout", **request_)

    assert answer.status == 204
    assert answer.cookies == DELETED


@pytest.mark.case("F2")
def test_signing_out_twice_works(signed_in: Answer):
    assert send("logout", cookies=signed_in.cookies).status == 204
    assert send("logout", cookies=signed_in.cookies).status == 204


def test_a_forged_token_ends_nobody_s_session(signed_in: Answer):
    token = signed_in.json["refresh_token"]

    send("logout", json_body={"refresh_token": token[:-4] + "AAAA"})

    assert ask_me(signed_in.json["access_token"]).status == 200


@pytest.mark.case("F4")
def test_the_other_sessions_can_be_ended_from_this_one(signed_in: Answer):
    elsewhere = sign_in()

    answer = send("logout", cookies=signed_in.cookies, query={"scope": "others"})

    assert answer.status == 204
    assert answer.set_cookies == ()
    assert_over(elsewhere)
    assert ask_me(signed_in.json["access_token"]).status == 200


def test_all_sessions_can_be_ended_at_once(signed_in: Answer):
    elsewhere = sign_in()
    open_account("other@example.com")
    stranger = sign_in("other@example.com")

    answer = send("logout", cookies=signed_in.cookies, query={"scope": "global"})

    assert answer.cookies == DELETED
    assert_over(signed_in)
    assert_over(elsewhere)
    assert ask_me(stranger.json["access_token"]).status == 200


def test_a_session_that_has_ended_ends_no_other(signed_in: Answer):
    elsewhere = sign_in()
    send("logout", cookies=signed_in.cookies)

    send("logout", cookies=signed_in.cookies, query={"scope": "global"})

    assert ask_me(elsewhere.json["access_token"]).status == 200


@pytest.mark.parametrize("scope", ["others", "global"])
def test_an_expired_token_ends_no_other_session(signed_in: Answer, scope: str):
    elsewhere = sign_in()

    with time_machine.travel(clock.now() + timedelta(hours=2)):
        answer = send("logout", headers=bearer(signed_in), query={"scope": scope})
        renewed = rotate(elsewhere.json["refresh_token"])
        own = rotate(signed_in.json["refresh_token"])

    assert (answer.status, renewed.status) == (204, 200)
    assert own.status == (401 if scope == "global" else 200)


def test_a_refresh_token_that_was_exchanged_ends_no_other_session(signed_in: Answer):
    elsewhere, old = sign_in(), signed_in.json["refresh_token"]
    renewed = rotate(old)

    send("logout", json_body={"refresh_token": old}, query={"scope": "global"})

    assert ask_me(elsewhere.json["access_token"]).status == 200
    assert_over(renewed)


def test_a_token_from_before_all_were_ended_ends_nobody(signed_in: Answer):
    send("logout", cookies=sign_in().cookies, query={"scope": "others"})
    later = sign_in()

    send("logout", headers=bearer(signed_in), query={"scope": "global"})

    assert ask_me(later.json["access_token"]).status == 200


def test_an_expired_cookie_beside_a_good_one_ends_all_sessions(signed_in: Answer):
    elsewhere = sign_in()

    with time_machine.travel(clock.now() + timedelta(hours=2)):
        send("logout", cookies=signed_in.cookies, query={"scope": "global"})

        assert rotate(elsewhere.json["refresh_token"]).status == 401


def test_a_foreign_page_cannot_sign_its_visitor_out(signed_in: Answer):
    answer = send("logout", cookies=signed_in.cookies, headers={"origin": "https://evil.example"})

    assert answer.status == 403
    assert ask_me(signed_in.json["access_token"]).status == 200


def test_signing_out_requests_an_immediate_review_of_the_users_sockets(
    backend, signed_in, redis_server
):
    user_id = UUID(signed_in.json["user"]["id"])
    watcher = connection(uuid4(), user_id=user_id)
    run(connections().admit(watcher, per_user=1, per_task=1))
    run(connections().register(watcher, Cursor()))

    assert send("logout", cookies=signed_in.cookies).status == 204

    with Redis.from_url(f"{redis_server}/1") as queue:
        ticks = [Message.decode(tick) for tick in queue.hvals("dramatiq:tick.msgs")]
    assert [tick.kwargs for tick in ticks] == [{"user_id": str(user_id)}]


def test_signing_out_requests_no_review_when_no_socket_is_open(backend, signed_in, redis_server):
    send("logout", cookies=signed_in.cookies)

    with Redis.from_url(f"{redis_server}/1") as queue:
        assert queue.keys() == []
