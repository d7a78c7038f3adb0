"""Attacks that combine features, in an order in which nobody would use them: what was issued before
an account was taken, closed or brought back, and is tried afterwards."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from shared.process.event_loop import run
from shared.services.webhook_sending import send_due
from tests.auth import EMAIL, ask_me, open_account, rotate, sign_in
from tests.catalogue.gateway import request
from tests.catalogue.mailbox import letters, token_in
from tests.http import Answer
from tests.providers import Asked, FakeProvider, answers, providing
from tests.webhooks import client, delivery_of, ended_task, is_signed, time_passes

pytestmark = pytest.mark.usefixtures("backend")

NEW_PASSWORD = "another password altogether"


@pytest.fixture
def session(backend: pytest.MonkeyPatch) -> Answer:
    """The session of whoever knows the password: the owner, or a thief."""
    open_account()
    return sign_in()


def ask(session: Answer, method: str, path: str, **options: Any) -> Answer:
    return request(method, path, token=session.json["access_token"], **options)


def new_secret(session: Answer, *, keep_previous_seconds: int = 0) -> Answer:
    body = {"keep_previous_seconds": keep_previous_seconds}
    return ask(session, "POST", "/webhooks/secrets", json_body=body)


def reset() -> Answer:
    """The owner of the mailbox takes the account back, even from its deletion."""
    request("POST", "/auth/password/forgot", json_body={"email": EMAIL})
    body = {"token": token_in(letters(EMAIL)[-1]), "password": NEW_PASSWORD}
    assert request("POST", "/auth/password/reset", json_body=body).status == 200
    return sign_in(password=NEW_PASSWORD)


def close(session: Answer) -> None:
    assert ask(session, "DELETE", "/auth/me").status == 202


def owner_of(session: Answer) -> UUID:
    return UUID(session.json["user"]["id"])


@pytest.fixture
def receiver() -> Iterator[FakeProvider]:
    context = providing(answers(200))
    yield run(context.__aenter__())
    run(context.__aexit__(None, None, None))


def message(owner: UUID, receiver: FakeProvider) -> Asked:
    run(ended_task(receiver.origin, owner))
    run(send_due(client()))
    return receiver.asked[-1]


@pytest.mark.case("K1")
def test_a_thief_who_lost_the_account_can_no_longer_touch_its_webhooks(
    session: Answer, receiver: FakeProvider
):
    thief = sign_in()
    thiefs = new_secret(thief).json["secret"]

    owner = reset()

    assert new_secret(thief).status == 401
    assert ask(thief, "GET", "/webhooks/deliveries").status == 401
    assert ask(thief, "POST", f"/webhooks/deliveries/{UUID(int=1)}/redeliver").status == 401
    owners = new_secret(owner).json["secret"]
    sent = message(owner_of(owner), receiver)
    assert (is_signed(sent, owners), is_signed(sent, thiefs)) == (True, False)


@pytest.mark.case("K1")
def test_a_thief_gets_no_secret_that_a_receiver_of_the_owner_believes(
    session: Answer, receiver: FakeProvider
):
    owners = new_secret(session).json["secret"]
    thief = sign_in()

    shown = ask(thief, "GET", "/webhooks/secrets").body.decode()
    thiefs = new_secret(thief, keep_previous_seconds=86400).json["secret"]

    assert owners.removeprefix("whsec_") not in shown
    sent = message(owner_of(session), receiver)
    assert is_signed(sent, owners)
    assert is_signed(sent, thiefs)
    assert owners != thiefs


@pytest.mark.case("K2")
def test_a_closed_account_sends_no_webhook_until_it_is_restored(
    session: Answer, receiver: FakeProvider
):
    delivery_id = run(delivery_of(run(ended_task(receiver.origin, owner_of(session))))).id

    close(session)
    run(send_due(client()))
    assert receiver.asked == []

    back = reset()
    assert ask(back, "POST", f"/webhooks/deliveries/{delivery_id}/redeliver").status == 202
    run(time_passes())
    run(send_due(client()))
    assert len(receiver.asked) == 1


@pytest.mark.case("K3")
def test_nothing_issued_before_an_account_was_closed_works_once_it_is_restored(session: Answer):
    key = {"Idempotency-Key": "a-key-of-a-request-whose-answer-was-lost"}
    refreshed = rotate(session.json["refresh_token"], headers=key)
    tickets_of = ask(session, "POST", "/tasks", json_body={"prompt": "a lamp"}).json["id"]
    close(session)

    back = reset()

    for access in (session.json["access_token"], refreshed.json["access_token"]):
        assert ask_me(access).status == 401
    assert rotate(session.json["refresh_token"], headers=key).status == 401
    assert rotate(refreshed.json["refresh_token"]).status == 401
    assert ask(refreshed, "POST", f"/tasks/{tickets_of}/ws-ticket").status == 401
    assert ask_me(back.json["access_token"]).status == 200
    assert ask(back, "GET", f"/tasks/{tickets_of}").json["status"] == "cancelled"


@pytest.mark.case("K4")
def test_a_request_that_waits_is_answered_at_once_for_whoever_may_not_see_the_task(
    session: Answer,
):
    """So strangers and other users hold no process of those who wait, however many they are."""
    task_id = ask(session, "POST", "/tasks", json_body={"prompt": "a lamp"}).json["id"]
    open_account("other@example.com")
    other, waits = sign_in("other@example.com"), {"wait": "25", "after": "1"}

    for _ in range(12):
        assert ask(other, "GET", f"/tasks/{task_id}", query=waits).status == 404
        assert request("GET", f"/tasks/{task_id}", query=waits).status == 401
