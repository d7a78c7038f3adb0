from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
import time_machine

from functions.auth import verify
from shared import clock
from shared.database import transaction
from shared.models.one_time_token import OneTimeToken, TokenPurpose
from shared.process.event_loop import run
from shared.security import one_time_tokens
from shared.security.passwords import password_hasher
from tests.auth import EMAIL, PASSWORD, confirm, send, sign_in, sign_up
from tests.http import call

pytestmark = pytest.mark.usefixtures("application")


def mail(user_id: str, purpose: TokenPurpose, password: str) -> str:
    """A token as it was mailed to somebody."""
    token = one_time_tokens.create(purpose)

    async def keep() -> None:
        row = OneTimeToken(
            user_id=UUID(user_id),
            purpose=purpose,
            token_hash=one_time_tokens.fingerprint(token, purpose),
            password_hash=await password_hasher().hash(password),
            expires_at=clock.now() + timedelta(hours=1),
        )
        async with transaction() as session:
            session.add(row)

    run(keep())
    return token


@pytest.mark.case("B1")
def test_a_token_activates_the_account_and_signs_nobody_in():
    token = sign_up().json["verification"]["token"]

    answer = confirm(token)

    assert (answer.status, answer.json) == (200, {"status": "active"})
    assert set(answer.cookies) == {"device"}
    assert sign_in().status == 200


def test_a_token_may_come_in_the_body():
    token = sign_up().json["verification"]["token"]

    answer = send("verify", json_body={"token": token})

    assert answer.status == 200


@pytest.mark.case("B1")
def test_a_token_works_once():
    token = sign_up().json["verification"]["token"]
    confirm(token)

    again = confirm(token)

    assert again.status == 400
    assert again.json["code"] == "token_already_used"


@pytest.mark.case("B2", "B3")
def test_an_expired_token_and_an_unknown_one_look_alike():
    token = sign_up().json["verification"]["token"]
    unknown = confirm(one_time_tokens.create(TokenPurpose.VERIFY_EMAIL))

    with time_machine.travel(clock.now() + timedelta(days=1, seconds=1)):
        expired = confirm(token)

    assert (expired.status, unknown.status) == (400, 400)
    assert expired.json["code"] == unknown.json["code"] == "invalid_or_expired_token"
    assert expired.json == unknown.json


@pytest.mark.parametrize(
    "change",
    [
        lambda token: token + "=",
        lambda token: token.swapcase(),
        lambda token: " " + token,
        lambda token: token[:-1],
        lambda token: token.replace("ev1_", "pr1_"),
        lambda token: "' OR 1=1 --",
    ],
)
@pytest.mark.case("B9")
def test_a_token_has_one_spelling(change: Callable[[str], str]):
    token = sign_up().json["verification"]["token"]

    answer = confirm(change(token))

    assert answer.status == 400
    assert confirm(token).status == 200


@pytest.mark.case("B8")
def test_a_token_for_something_else_activates_nothing():
    user_id = sign_up().json["user"]["id"]

    answer = confirm(mail(user_id, TokenPurpose.RESET_PASSWORD, PASSWORD))

    assert answer.status == 400
    assert sign_in().status == 403


@pytest.mark.case("B6")
def test_query_and_body_must_agree():
    token = sign_up().json["verification"]["token"]

    different = send("verify", query={"token": token}, json_body={"token": token + "x"})
    same = send("verify", query={"token": token}, json_body={"token": token})

    assert different.status == 400
    assert same.status == 200


@pytest.mark.case("B5")
def test_a_token_given_twice_in_the_query_is_refused():
    token = sign_up().json["verification"]["token"]

    answer = call(verify.handler, "POST", f"/api/v1/auth/verify?token={token}&token={token}")

    assert answer.status == 400
    assert confirm(token).status == 200


def test_no_token_at_all_is_refused():
    assert send("verify").status == 400


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.case("B4")
def test_a_mail_scanner_that_follows_the_link_does_not_use_up_the_token(method: str):
    token = sign_up().json["verification"]["token"]

    answer = send("verify", method=method, query={"token": token})

    assert answer.status == 405
    assert confirm(token).status == 200


@pytest.mark.case("B11")
def test_the_mailbox_decides_which_password_counts(application: pytest.MonkeyPatch):
    """Whoever signs up first with somebody else's address gains nothing when its owner signs up."""
    user_id = sign_up(password="attacker chose this").json["user"]["id"]
    owners = mail(user_id, TokenPurpose.VERIFY_EMAIL, "owner chose this")

    assert confirm(owners).status == 200

    assert sign_in(EMAIL, "owner chose this").status == 200
    assert sign_in(EMAIL, "attacker chose this").status == 401


def test_using_one_token_voids_the_others():
    registered = sign_up(password="attacker chose this").json
    owners = mail(registered["user"]["id"], TokenPurpose.VERIFY_EMAIL, "owner chose this")
    confirm(owners)

    late = confirm(registered["verification"]["token"])

    assert late.status == 400
    assert late.json["code"] == "invalid_or_expired_token"
    assert sign_in(EMAIL, "owner chose this").status == 200
