import asyncio
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from shared import clock
from shared.database import engine
from shared.errors import DomainError, RateLimited
from shared.models.one_time_token import TokenPurpose
from shared.process.event_loop import run
from shared.security import known_devices, one_time_tokens
from shared.security.passwords import Verdict
from shared.services.login import log_in
from shared.services.sessions import Client
from shared.singletons import forget_singletons
from tests.auth import EMAIL, PASSWORD, confirm, open_account, rotate, send, sign_in, sign_up
from tests.catalogue.gateway import request
from tests.catalogue.mailbox import letters, token_in
from tests.http import Answer

COUNTERS = ["rate_limited", "rate_limited_without_redis"]
WRONG = "a wrong password"
NEW_PASSWORD = "another password altogether"


@pytest.fixture(params=COUNTERS, ids=["Redis", "no Redis"], autouse=True)
def limited(request: pytest.FixtureRequest) -> pytest.MonkeyPatch:
    environment: pytest.MonkeyPatch = request.getfixturevalue(request.param)
    return environment


@pytest.fixture(autouse=True)
def at_the_start_of_a_day(limited: pytest.MonkeyPatch) -> Any:
    """A fixed window that ended during a test would let more attempts pass."""
    tomorrow = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    with time_machine.travel(tomorrow, tick=False) as time:
        yield time


class CountingHasher:
    def __init__(self) -> None:
        self.asked = 0

    async def hash(self, password: str) -> str:
        return "hash"

    async def verify(self, password: str, stored: str | None) -> Verdict:
        self.asked += 1
        return Verdict(correct=False)


def address(number: int) -> str:
    return f"198.51.100.{number}"


def assert_limited(answer: Answer, policy: str) -> None:
    assert (answer.status, answer.json["code"]) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["ratelimit-policy"].startswith(policy)
    assert answer.headers["ratelimit"].startswith(policy.partition(";")[0])
    assert answer.set_cookies == ()


def test_the_sixth_attempt_of_a_minute_is_refused_even_with_the_right_password(
    at_the_start_of_a_day: Any,
):
    open_account()
    for _ in range(5):
        assert sign_in(password=WRONG).status == 401

    assert_limited(sign_in(), '"login";q=5;w=60')

    at_the_start_of_a_day.shift(61)
    assert sign_in().status == 200


def test_a_known_and_an_unknown_account_are_limited_alike():
    open_account()
    for email in (EMAIL, "nobody@example.com"):
        for _ in range(5):
            sign_in(email, WRONG)

    known, unknown = sign_in(), sign_in("nobody@example.com")

    assert known.status == unknown.status == 429
    assert known.body == unknown.body
    assert known.headers == unknown.headers


def test_only_five_of_a_hundred_attempts_at_once_are_hashed(limited: pytest.MonkeyPatch):
    run(engine().dispose())
    limited.setenv("DATABASE_POOL_SIZE", "10")
    forget_singletons()
    hasher, client = CountingHasher(), Client("192.0.2.1", None)

    async def attempts() -> list[Any]:
        pairs = (log_in(EMAIL, PASSWORD, client, hasher) for _ in range(100))
        return await asyncio.gather(*pairs, return_exceptions=True)

    results = run(attempts())

    assert all(isinstance(each, DomainError) for each in results)
    assert sum(isinstance(each, RateLimited) for each in results) == 95
    assert hasher.asked == 5


@pytest.mark.parametrize("header", ["x-forwarded-for", "x-real-ip", "forwarded"])
def test_no_header_makes_a_client_look_like_another(header: str):
    open_account()
    for number in range(5):
        sign_in(password=WRONG, headers={header: address(number)})

    assert sign_in(headers={header: address(99)}).status == 429


def test_another_spelling_of_an_address_counts_for_the_same_account():
    open_account()
    for email in (EMAIL, EMAIL.upper(), EMAIL.title(), EMAIL, EMAIL.upper()):
        sign_in(email, WRONG)

    assert sign_in(EMAIL.capitalize()).status == 429


def test_signing_in_to_ones_own_account_allows_no_more_guesses_at_others():
    open_account()
    for number in range(30):
        if number % 6 == 0:
            assert sign_in().status == 200
        else:
            assert sign_in(f"victim-{number}@example.com", WRONG).status == 401

    assert_limited(sign_in("another@example.com", WRONG), '"login_ip";q=30;w=60')


def test_one_ipv6_network_counts_as_one_client():
    for number in range(30):
        sign_in(f"victim-{number}@example.com", WRONG, source_ip=f"2001:db8::{number:x}")

    assert sign_in("next@example.com", WRONG, source_ip="2001:db8::ffff").status == 429
    assert sign_in("next@example.com", WRONG, source_ip="2001:db8:0:1::1").status == 401


def test_attackers_anywhere_cannot_lock_out_the_owner_s_device():
    open_account()
    own = sign_in(source_ip=address(200)).cookies["device"]
    for number in range(10):
        assert sign_in(password=WRONG, source_ip=address(number)).status == 401

    stranger = sign_in(source_ip=address(100))
    owner = sign_in(source_ip=address(100), cookies={"device": own})

    assert_limited(stranger, '"login_failures";q=10;w=900')
    assert owner.status == 200


def test_a_known_device_has_no_more_guesses_than_an_unknown_one(at_the_start_of_a_day: Any):
    open_account()
    stolen = {"device": sign_in().cookies["device"]}
    for number in range(10):
        sign_in(password=WRONG, source_ip=address(number), cookies=stolen)

    assert sign_in(source_ip=address(100), cookies=stolen).status == 429


def test_the_right_password_does_not_count_as_a_failure():
    open_account()
    for number in range(9):
        sign_in(password=WRONG, source_ip=address(number))

    assert [sign_in(source_ip=address(100 + number)).status for number in range(3)] == [200] * 3
    assert sign_in(password=WRONG, source_ip=address(110)).status == 401


@pytest.mark.case("C23")
def test_strangers_do_not_notice_that_the_owner_has_signed_in():
    open_account()
    for email in (EMAIL, "nobody@example.com"):
        for number in range(9):
            sign_in(email, WRONG, source_ip=address(number))

    assert sign_in(source_ip=address(100)).status == 200

    for email in (EMAIL, "nobody@example.com"):
        guesses = [sign_in(email, WRONG, source_ip=address(101 + each)) for each in range(2)]
        assert [each.status for each in guesses] == [401, 429]


def test_the_right_password_clears_the_failures_of_the_owner_s_device():
    open_account()
    own = {"device": sign_in().cookies["device"]}
    for _ in range(2):
        for number in range(9):
            sign_in(password=WRONG, source_ip=address(number), cookies=own)

        assert sign_in(source_ip=address(100), cookies=own).status == 200


def guess_from_everywhere(email: str = EMAIL) -> None:
    """As many wrong passwords as lock out every unknown device."""
    for number in range(10):
        sign_in(email, WRONG, source_ip=address(number))
    assert_limited(sign_in(email, source_ip=address(99)), '"login_failures";q=10;w=900')


def post(path: str, session: Answer | None = None, **body: str) -> Answer:
    token = session.json["access_token"] if session is not None else None
    return request("POST", path, token=token, json_body=body)


def reset_by_mail(email: str = EMAIL, **options: Any) -> Answer:
    post("/auth/password/forgot", email=email)
    body = {"token": token_in(letters(email)[-1]), "password": NEW_PASSWORD}
    return request("POST", "/auth/password/reset", json_body=body, **options)


@pytest.mark.case("I16")
def test_a_reset_by_mail_lets_the_owner_in_whoever_locked_the_account():
    open_account()
    guess_from_everywhere()

    reset_by_mail()

    assert sign_in(password=NEW_PASSWORD, source_ip=address(150)).status == 200


@pytest.mark.case("I16")
def test_a_device_that_proved_the_mailbox_stays_out_of_the_next_lock_out():
    open_account()
    device = reset_by_mail().cookies["device"]
    guess_from_everywhere()

    owner = sign_in(password=NEW_PASSWORD, source_ip=address(150), cookies={"device": device})

    assert owner.status == 200


@pytest.mark.case("I16")
def test_a_reset_forgives_the_owner_s_own_guesses_of_the_last_minute():
    open_account()
    for _ in range(5):
        sign_in(password=WRONG, source_ip=address(150))
    assert sign_in(source_ip=address(150)).status == 429

    reset_by_mail(source_ip=address(150))

    assert sign_in(password=NEW_PASSWORD, source_ip=address(150)).status == 200


@pytest.mark.case("I16")
def test_a_verified_link_lets_the_owner_in_whoever_guessed_before():
    token = sign_up().json["verification"]["token"]
    guess_from_everywhere()

    device = confirm(token).cookies["device"]

    assert known_devices.read(device, EMAIL) is not None
    assert sign_in(source_ip=address(150)).status == 200


@pytest.mark.case("I16")
def test_a_confirmed_change_lets_the_owner_in_at_the_new_address_whoever_guessed_before():
    open_account()
    post("/auth/email/change", sign_in(), email="new@example.com")
    guess_from_everywhere("new@example.com")

    device = post("/auth/email/confirm", token=token_in(letters("new@example.com")[-1])).cookies[
        "device"
    ]

    assert known_devices.read(device, "new@example.com") is not None
    assert sign_in("new@example.com", source_ip=address(150)).status == 200


@pytest.mark.case("I16")
def test_a_link_that_does_not_work_lifts_nothing():
    open_account()
    guess_from_everywhere()
    reset = one_time_tokens.create(TokenPurpose.RESET_PASSWORD)

    refused = post("/auth/password/reset", token=reset, password=NEW_PASSWORD)

    assert (refused.status, refused.set_cookies) == (400, ())
    assert sign_in(source_ip=address(150)).status == 429


def test_sign_ups_and_verifications_of_an_address_are_limited(limited: pytest.MonkeyPatch):
    limited.setenv("RATE_LIMIT_REGISTER_IP", "2/minute")
    limited.setenv("RATE_LIMIT_VERIFY_IP", "2/minute")
    forget_singletons()
    tokens = [sign_up(f"{number}@example.com").json["verification"]["token"] for number in range(2)]

    assert_limited(sign_up("third@example.com"), '"register";q=2;w=60')
    assert [confirm(tokens[0]).status, confirm("ev1_guess").status] == [200, 400]
    assert_limited(confirm(tokens[1]), '"verify";q=2;w=60')


def test_a_session_refreshed_too_often_waits_and_goes_on(at_the_start_of_a_day: Any):
    open_account()
    answer = sign_in()
    for _ in range(30):
        answer = send("refresh", cookies=answer.cookies)
        assert answer.status == 200

    assert_limited(send("refresh", cookies=answer.cookies), '"refresh";q=30;w=60')

    at_the_start_of_a_day.shift(61)
    assert send("refresh", cookies=answer.cookies).status == 200


def test_the_id_of_a_session_is_not_enough_to_use_up_its_refreshes():
    open_account()
    token = sign_in().json["refresh_token"]

    for _ in range(40):
        assert rotate(token[:-4] + "AAAA").json["code"] == "invalid_refresh_token"

    assert rotate(token).status == 200
