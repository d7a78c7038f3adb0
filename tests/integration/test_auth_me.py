from datetime import timedelta

import pytest
import time_machine
from sqlalchemy import update

from shared import clock
from shared.database import transaction
from shared.models.user import User, UserStatus
from shared.process.event_loop import run
from shared.security import access_tokens
from tests.auth import EMAIL, ask_me, open_account, send, set_status, sign_in
from tests.http import Answer

pytestmark = pytest.mark.usefixtures("application")

SECRET = "a gateway's secret of forty characters.."


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


def change_user(**values: object) -> None:
    async def change() -> None:
        async with transaction() as session:
            await session.execute(update(User).values(**values))

    run(change())


@pytest.mark.case("F8")
def test_the_account_is_shown_to_its_owner_without_internal_members(signed_in: Answer):
    answer = ask_me(signed_in.json["access_token"])

    assert answer.status == 200
    assert set(answer.json) == {"user", "profile", "subscription"}
    assert answer.json["user"] == signed_in.json["user"]
    assert b"hash" not in answer.body
    assert answer.headers["cache-control"] == "no-store"


def test_the_access_cookie_is_as_good_as_the_token(signed_in: Answer):
    answer = send("me", method="GET", cookies=signed_in.cookies)

    assert answer.json["user"]["email"] == EMAIL


def test_a_request_without_credentials_sees_nothing():
    answer = send("me", method="GET")

    assert answer.status == 401
    assert answer.json["code"] == "unauthenticated"
    assert answer.headers["www-authenticate"] == 'Bearer realm="api"'


@pytest.mark.parametrize(
    ("authorization", "status"),
    [("Bearer x", 401), ("Basic YTpi", 401), ("Token x", 401), ("Bearer a, Bearer b", 400)],
)
@pytest.mark.case("D17", "D18", "D19")
def test_a_valid_cookie_does_not_make_up_for_a_bad_authorization(
    signed_in: Answer, authorization: str, status: int
):
    answer = send(
        "me", method="GET", cookies=signed_in.cookies, headers={"authorization": authorization}
    )

    assert answer.status == status


@pytest.mark.parametrize(("seconds", "status"), [(609, 200), (611, 401)])
@pytest.mark.case("D5")
def test_an_access_token_lives_ten_minutes(signed_in: Answer, seconds: int, status: int):
    with time_machine.travel(clock.now() + timedelta(seconds=seconds)):
        assert ask_me(signed_in.json["access_token"]).status == status


@pytest.mark.case("D15", "F7")
def test_a_disabled_account_loses_access_at_once(signed_in: Answer):
    set_status(EMAIL, UserStatus.DISABLED)

    assert ask_me(signed_in.json["access_token"]).status == 401


@pytest.mark.case("D15")
def test_a_deleted_account_loses_access_at_once(signed_in: Answer):
    change_user(deleted_at=clock.now())

    assert ask_me(signed_in.json["access_token"]).status == 401


def test_a_token_of_an_earlier_epoch_is_void(signed_in: Answer):
    change_user(auth_epoch=1)

    assert ask_me(signed_in.json["access_token"]).status == 401


@pytest.mark.case("D14")
def test_a_token_for_another_user_s_session_is_refused(signed_in: Answer):
    mine = access_tokens.read(signed_in.json["access_token"])
    open_account("other@example.com")
    other = access_tokens.read(sign_in("other@example.com").json["access_token"])

    crossed = access_tokens.issue(
        user_id=other.user_id,
        session_id=mine.session_id,
        generation=0,
        epoch=0,
        authenticated_at=clock.now(),
        expires_at=mine.expires_at,
    )

    assert ask_me(crossed).status == 401


@pytest.mark.case("G2")
def test_two_access_cookies_are_ambiguous(signed_in: Answer):
    token = signed_in.json["access_token"]

    answer = ask_me(headers={"cookie": f"access_token={token}; access_token={token}"})

    assert answer.status == 401
    assert answer.json["code"] == "ambiguous_cookies"


@pytest.mark.case("G4")
def test_a_request_with_a_hundred_cookies_is_served(signed_in: Answer):
    cookies = {f"cookie{number}": "x" * 100 for number in range(100)}

    assert send("me", method="GET", cookies={**cookies, **signed_in.cookies}).status == 200


@pytest.mark.case("H7")
def test_a_user_id_header_from_the_internet_means_nothing(signed_in: Answer):
    user_id = signed_in.json["user"]["id"]

    assert ask_me(headers={"x-user-id": user_id}).status == 401


@pytest.mark.case("H8")
def test_a_trusted_gateway_names_the_user(signed_in: Answer, application: pytest.MonkeyPatch):
    application.setenv("TRUST_USER_ID_HEADER", "gateway")
    application.setenv("GATEWAY_SECRET", SECRET)
    named = {"x-user-id": signed_in.json["user"]["id"], "x-gateway-auth": SECRET}

    assert ask_me(headers=named).json["user"]["email"] == EMAIL
    assert ask_me(headers={**named, "x-gateway-auth": "wrong"}).status == 401
    set_status(EMAIL, UserStatus.DISABLED)
    assert ask_me(headers=named).status == 401
