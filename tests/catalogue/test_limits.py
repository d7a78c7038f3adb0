import asyncio
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine

from shared import clock
from shared.errors import DomainError
from shared.process.event_loop import run
from shared.security.passwords import Verdict
from shared.services.login import log_in
from shared.services.reauthentication import check_current_password
from shared.services.sessions import Client
from tests.auth import EMAIL, PASSWORD, ask_me, open_account, rotate, send, sign_in, sign_up
from tests.catalogue.gateway import request
from tests.catalogue.mailbox import letters

WRONG = "a wrong password"


@pytest.fixture(autouse=True)
def limits(backend: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    backend.setenv("RATE_LIMITS", "on")
    return backend


def attempt(
    password: str = WRONG, email: str = EMAIL, ip: str = "192.0.2.1", **options: Any
) -> int:
    return sign_in(email, password, source_ip=ip, **options).status


def knock(times: int, **options: Any) -> list[int]:
    return [attempt(**options) for _ in range(times)]


class CountingHasher:
    def __init__(self) -> None:
        self.asked = 0

    async def hash(self, password: str) -> str:
        raise NotImplementedError

    async def verify(self, password: str, stored: str | None) -> Verdict:
        self.asked += 1
        await asyncio.sleep(0)
        return Verdict(correct=False)


@pytest.mark.case("C6")
def test_the_sixth_attempt_of_a_minute_waits_even_with_the_right_password():
    open_account()
    assert knock(5) == [401] * 5

    refused = sign_in()

    assert (refused.status, refused.json["code"]) == (429, "rate_limited")
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert refused.headers["ratelimit-policy"] == '"login";q=5;w=60'
    assert refused.headers["ratelimit"].startswith('"login";r=0;t=')
    assert refused.set_cookies == ()


@pytest.mark.case("C6")
def test_an_unknown_address_is_limited_in_the_same_way():
    open_account()
    knock(5)
    knock(5, email="nobody@example.com")

    known, unknown = sign_in(password=WRONG), sign_in("nobody@example.com", WRONG)

    assert (known.status, unknown.status) == (429, 429)
    assert set(known.headers) == set(unknown.headers)
    assert set(known.json) == set(unknown.json)


@pytest.mark.case("C7")
def test_after_a_minute_the_right_password_works_again():
    open_account()
    knock(5)
    refused = sign_in()

    pause = timedelta(seconds=int(refused.headers["retry-after"]))
    with time_machine.travel(clock.now() + pause):
        again = sign_in()

    assert refused.status == 429
    assert pause <= timedelta(minutes=1)
    assert again.status == 200


@pytest.mark.case("C8")
def test_only_five_of_a_hundred_attempts_at_once_are_hashed():
    open_account()
    hasher = CountingHasher()

    async def storm() -> list[object]:
        client = Client("192.0.2.1", None)
        attempts = (log_in(EMAIL, WRONG, client, hasher) for _ in range(100))
        return await asyncio.gather(*attempts, return_exceptions=True)

    results = run(storm())

    codes = Counter(each.code for each in results if isinstance(each, DomainError))
    assert codes == {"invalid_credentials": 5, "rate_limited": 95}
    assert hasher.asked == 5


@pytest.mark.case("C9")
@pytest.mark.parametrize("header", ["x-forwarded-for", "x-real-ip", "forwarded", "true-client-ip"])
def test_a_client_cannot_name_its_own_address(header: str):
    open_account()
    value = "for=203.0.113.{}" if header == "forwarded" else "203.0.113.{}"

    answers = [attempt(headers={header: value.format(number)}) for number in range(6)]

    assert answers == [401] * 5 + [429]


@pytest.mark.case("C10")
def test_every_spelling_of_an_address_counts_as_one():
    open_account()
    knock(3)
    knock(2, email="DEMO@EXAMPLE.COM")

    assert attempt(email="Demo@Example.com") == 429


@pytest.mark.case("C11")
def test_signing_in_to_ones_own_account_allows_no_more_guesses(limits: pytest.MonkeyPatch):
    limits.setenv("RATE_LIMIT_LOGIN_IP", "6/minute")
    open_account()
    open_account("mallory@example.com")

    answers = []
    for _ in range(3):
        answers += [attempt(), attempt(PASSWORD, "mallory@example.com")]

    assert answers == [401, 200] * 3
    assert attempt() == 429


@pytest.mark.case("C12")
def test_one_address_cannot_try_thirty_one_accounts():
    answers = [attempt(email=f"user{number}@example.com") for number in range(31)]

    assert answers == [401] * 30 + [429]
    assert attempt(email="user99@example.com", ip="198.51.100.7") == 401


@pytest.mark.case("C13")
def test_attackers_cannot_lock_out_an_owner():
    open_account()
    known = sign_in()
    device = {name: value for name, value in known.cookies.items() if "device" in name}
    other_devices = [attempt(ip=f"198.51.{number}.1") for number in range(11)]

    assert other_devices[-1] == 429
    assert attempt(PASSWORD, ip="203.0.113.1") == 429
    assert attempt(PASSWORD, ip="203.0.113.2", cookies=device) == 200


@pytest.mark.case("C14")
def test_without_redis_attempts_are_limited_and_people_get_in(limits: pytest.MonkeyPatch):
    limits.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    open_account()

    assert attempt(PASSWORD) == 200
    assert 429 in knock(10)


@pytest.mark.case("E16")
def test_a_session_refreshed_too_often_must_wait_and_stays_alive():
    open_account()
    token = sign_in().json["refresh_token"]
    for _ in range(30):
        refreshed = rotate(token)
        assert refreshed.status == 200
        token = refreshed.json["refresh_token"]

    refused = rotate(token)

    assert refused.status == 429
    assert refused.set_cookies == ()
    assert ask_me(refreshed.json["access_token"]).status == 200


@pytest.mark.case("B12")
@pytest.mark.parametrize("email", ["pending@example.com", "nobody@example.com"])
def test_ten_requests_for_another_token_send_no_second_mail_in_a_minute(
    limits: pytest.MonkeyPatch, email: str
):
    limits.setenv("MAIL_URL", "mailbox://")
    limits.setenv("AUTH_VERIFICATION_DELIVERY", "email")
    if email.startswith("pending"):
        sign_up(email)
    letters(email)

    answers = [
        request("POST", "/auth/verify/resend", json_body={"email": email}) for _ in range(10)
    ]

    assert {answer.status for answer in answers} == {202}
    assert len({answer.body for answer in answers}) == 1
    assert len(letters(email)) == email.startswith("pending")


@pytest.mark.case("I5")
def test_guesses_at_the_current_password_are_limited():
    open_account()
    token = sign_in().json["access_token"]
    body = {"current_password": WRONG, "new_password": "another password altogether"}

    answers = [
        request("POST", "/auth/password/change", token=token, json_body=body).status
        for _ in range(6)
    ]

    assert answers == [401] * 5 + [429]
    assert ask_me(token).status == 200
    assert send("login", json_body={"email": EMAIL, "password": PASSWORD}).status == 200


@pytest.mark.case("I5")
def test_a_stolen_session_allows_a_hundred_guesses_a_day_at_its_password():
    open_account()
    user_id, hasher = UUID(sign_in().json["user"]["id"]), CountingHasher()

    async def guess_for_half_an_hour() -> None:
        with time_machine.travel(clock.now(), tick=False) as now:
            for _ in range(30):
                for _ in range(5):
                    with suppress(DomainError):
                        await check_current_password(user_id, WRONG, hasher)
                now.shift(timedelta(seconds=61))

    run(guess_for_half_an_hour())

    assert hasher.asked == 100
