"""A refresh token that is used again: after a lost answer, by another tab, or by a thief."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import update

from shared.database import transaction
from shared.models.base import database_now
from shared.models.session import UserSession
from shared.process.event_loop import run
from shared.services.refresh_rotation import Attempt, refresh
from tests.auth import ask_me, open_account, rotate, send, sign_in
from tests.http import Answer

pytestmark = pytest.mark.usefixtures("application")

OWN_PAGE = {"sec-fetch-site": "same-origin"}


@pytest.fixture
def signed_in(application: pytest.MonkeyPatch) -> Answer:
    open_account()
    return sign_in()


def keyed(key: str) -> dict[str, Any]:
    return {"headers": {"idempotency-key": key}}


def let_pass(time: timedelta) -> None:
    """Make every rotation older by this time: rotations go by the database's clock."""

    async def age() -> None:
        async with transaction() as session:
            rotated_at = database_now(-time.total_seconds())
            await session.execute(update(UserSession).values(rotated_at=rotated_at))

    run(age())


def assert_ended(again: Answer, child: Answer) -> None:
    assert (again.status, again.json["code"]) == (401, "refresh_token_reused")
    assert rotate(child.json["refresh_token"]).json["code"] == "invalid_refresh_token"
    assert ask_me(child.json["access_token"]).status == 401


def test_a_lost_answer_is_given_again_under_the_same_key(signed_in: Answer):
    token = signed_in.json["refresh_token"]
    lost = rotate(token, **keyed("one"))
    let_pass(timedelta(hours=23))

    again = rotate(token, **keyed('"one"'))

    assert again.status == 200
    assert again.json["refresh_token"] == lost.json["refresh_token"]
    assert ask_me(again.json["access_token"]).status == 200
    assert rotate(again.json["refresh_token"]).status == 200


@pytest.mark.parametrize("second", [keyed("another"), {}], ids=["another key", "no key"])
def test_a_request_with_another_key_ends_the_session(signed_in: Answer, second: dict[str, Any]):
    token = signed_in.json["refresh_token"]
    child = rotate(token, **keyed("one"))

    assert_ended(rotate(token, **second), child)


def test_a_key_that_the_first_request_did_not_send_does_not_help(signed_in: Answer):
    token = signed_in.json["refresh_token"]
    child = rotate(token)

    assert_ended(rotate(token, **keyed("one")), child)


def test_an_idempotency_key_is_valid_for_a_day(signed_in: Answer):
    token = signed_in.json["refresh_token"]
    child = rotate(token, **keyed("one"))
    let_pass(timedelta(hours=24, seconds=1))

    assert_ended(rotate(token, **keyed("one")), child)


@pytest.mark.parametrize("site", ["same-origin", "same-site"])
def test_a_page_gets_the_same_token_again_within_a_minute(signed_in: Answer, site: str):
    headers = {"sec-fetch-site": site, "origin": "http://localhost:8000"}
    first = send("refresh", cookies=signed_in.cookies, headers=headers)
    let_pass(timedelta(seconds=59))

    second = send("refresh", cookies=signed_in.cookies, headers=headers)

    assert second.status == 200
    assert second.cookies["refresh_token"] == first.cookies["refresh_token"]


def test_a_page_without_a_key_is_too_late_after_that(signed_in: Answer):
    child = send("refresh", cookies=signed_in.cookies, headers=OWN_PAGE)
    let_pass(timedelta(seconds=61))

    again = send("refresh", cookies=signed_in.cookies, headers=OWN_PAGE)

    assert_ended(again, child)
    assert again.cookies == {"access_token": "", "refresh_token": ""}


def test_a_page_whose_answer_was_lost_overnight_stays_signed_in(signed_in: Answer):
    headers = {"idempotency-key": "one", **OWN_PAGE}
    lost = send("refresh", cookies=signed_in.cookies, headers=headers)
    let_pass(timedelta(hours=12))

    again = send("refresh", cookies=signed_in.cookies, headers=headers)

    assert again.cookies["refresh_token"] == lost.cookies["refresh_token"]
    assert send("refresh", cookies=again.cookies, headers=headers).status == 200


def test_a_thief_with_the_lost_token_but_without_its_key_ends_the_session(signed_in: Answer):
    headers = {"idempotency-key": "one", **OWN_PAGE}
    lost = send("refresh", cookies=signed_in.cookies, headers=headers)
    let_pass(timedelta(hours=12))

    assert_ended(send("refresh", cookies=signed_in.cookies, headers=OWN_PAGE), lost)


@pytest.mark.parametrize("site", ["none", None])
def test_a_cookie_without_a_page_is_no_tab(signed_in: Answer, site: str | None):
    headers = {"sec-fetch-site": site} if site else {}
    child = send("refresh", cookies=signed_in.cookies, headers=headers)

    assert_ended(send("refresh", cookies=signed_in.cookies, headers=headers), child)


def test_a_token_in_the_body_is_no_tab(signed_in: Answer):
    token = signed_in.json["refresh_token"]
    child = rotate(token, headers=OWN_PAGE)

    assert_ended(rotate(token, headers=OWN_PAGE), child)


@pytest.mark.parametrize(
    "request_",
    [{"headers": OWN_PAGE}, {"headers": {"idempotency-key": "one", **OWN_PAGE}}],
    ids=["tab", "key"],
)
def test_a_token_is_void_once_its_successor_was_used(signed_in: Answer, request_: dict[str, Any]):
    child = send("refresh", cookies=signed_in.cookies, **request_)
    assert ask_me(child.json["access_token"]).status == 200

    assert_ended(send("refresh", cookies=signed_in.cookies, **request_), child)


def test_a_grandparent_is_void_whatever_is_sent_with_it(signed_in: Answer):
    request_: dict[str, Any] = {"headers": {"idempotency-key": "one", **OWN_PAGE}}
    child = send("refresh", cookies=signed_in.cookies, **request_)
    grandchild = rotate(child.json["refresh_token"])

    assert_ended(send("refresh", cookies=signed_in.cookies, **request_), grandchild)


def test_an_earlier_access_token_does_not_confirm_a_refresh(signed_in: Answer):
    token = signed_in.json["refresh_token"]
    lost = rotate(token, **keyed("one"))
    assert ask_me(signed_in.json["access_token"]).status == 200

    again = rotate(token, **keyed("one"))

    assert again.json["refresh_token"] == lost.json["refresh_token"]


def test_a_request_that_came_before_the_exchange_gets_its_result(signed_in: Answer):
    token = signed_in.json["refresh_token"]
    waiting = Attempt()
    child = rotate(token)
    assert ask_me(child.json["access_token"]).status == 200

    overlapping = run(refresh(token, waiting))

    assert overlapping.refresh_token == child.json["refresh_token"]


@pytest.mark.parametrize("key", ["", "a,b", "é", "x" * 256])
def test_an_invalid_key_changes_nothing(signed_in: Answer, key: str):
    token = signed_in.json["refresh_token"]

    assert rotate(token, **keyed(key)).status == 400
    assert rotate(token).status == 200


class RefreshFamily(RuleBasedStateMachine):
    """A session whose tokens come in any order, from its page, a client with keys, or a thief."""

    @initialize()
    def begin(self) -> None:
        self.answers = [sign_in()]
        self.age = timedelta(0)
        self.key: str | None = None
        self.is_confirmed = True  # nobody waits for the answer to a sign-in
        self.is_alive = True

    @precondition(lambda self: self.is_alive)
    @rule(
        steps_back=st.sampled_from([0, 0, 1, 1, 1, 2]),
        key=st.sampled_from([None, "one", "two"]),
        from_page=st.booleans(),
    )
    def present(self, steps_back: int, key: str | None, from_page: bool) -> None:
        generation = max(0, len(self.answers) - 1 - steps_back)
        steps_back = len(self.answers) - 1 - generation
        token = self.answers[generation].json["refresh_token"]
        headers = {"idempotency-key": key} if key else {}
        if from_page:
            answer = send("refresh", cookies={"refresh_token": token}, headers=headers | OWN_PAGE)
        else:
            answer = rotate(token, headers=headers)

        if self._may_come(steps_back, key, from_page):
            self._expect_a_child(answer, key, rotates=self._rotates(steps_back, from_page))
        else:
            assert_ended(answer, self.answers[-1])
            self.is_alive = False

    @precondition(lambda self: self.is_alive)
    @rule(seconds=st.sampled_from([5, 30, 3600, 90_000]))
    def wait(self, seconds: int) -> None:
        self.age += timedelta(seconds=seconds)
        if len(self.answers) > 1:
            let_pass(self.age)

    @precondition(lambda self: self.is_alive)
    @rule()
    def use(self) -> None:
        assert ask_me(self.answers[-1].json["access_token"]).status == 200
        self.is_confirmed = True

    @precondition(lambda self: not self.is_alive)
    @rule()
    def begin_again(self) -> None:
        self.begin()

    def _may_come(self, steps_back: int, key: str | None, from_page: bool) -> bool:
        if steps_back != 1 or self.is_confirmed:
            return steps_back == 0
        in_time = from_page and self.age <= timedelta(minutes=1)
        return in_time or (key is not None and key == self.key and self.age <= timedelta(hours=24))

    def _rotates(self, steps_back: int, from_page: bool) -> bool:
        was_just_rotated = len(self.answers) > 1 and self.age <= timedelta(seconds=10)
        return steps_back == 0 and not (from_page and was_just_rotated)

    def _expect_a_child(self, answer: Answer, key: str | None, *, rotates: bool) -> None:
        assert answer.status == 200
        newest = self.answers[-1].json["refresh_token"]
        assert (answer.json["refresh_token"] != newest) == rotates
        if rotates:
            self.answers.append(answer)
            self.age, self.key, self.is_confirmed = timedelta(0), key, False


def test_a_family_of_tokens_never_forks_and_ends_at_the_first_reuse(application: Any):
    open_account()

    run_state_machine_as_test(
        RefreshFamily,
        settings=settings(
            max_examples=8,
            stateful_step_count=15,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
