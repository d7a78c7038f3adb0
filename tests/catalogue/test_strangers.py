"""Where mail is delivered, whatever a stranger sends about an address gets the same answers after
the same work, whether or not it has an account."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event, update

from shared import clock
from shared.database import engine, transaction
from shared.models.user import User, UserStatus
from shared.process.event_loop import run
from tests.auth import confirm, set_status, sign_in, sign_up
from tests.catalogue.gateway import request
from tests.catalogue.mailbox import letters, token_in
from tests.http import Answer

STATES = ("none", "pending", "active", "disabled", "closed")
STRANGERS = "the stranger's password"


@pytest.fixture(autouse=True)
def by_mail_alone(application: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    application.setenv("MAIL_URL", "mailbox://")
    application.setenv("AUTH_VERIFICATION_DELIVERY", "email")
    return application


def address(state: str) -> str:
    return f"{state}@example.com"


@pytest.fixture
def accounts(by_mail_alone: pytest.MonkeyPatch) -> None:
    """An account in each state."""
    for state in STATES[1:]:
        assert sign_up(address(state)).status == 201
        token = token_in(letters(address(state))[0])
        if state != "pending":
            assert confirm(token).status == 200
    set_status(address("disabled"), UserStatus.DISABLED)
    run(close(address("closed")))


async def close(email: str) -> None:
    async with transaction() as session:
        await session.execute(
            update(User).where(User.email == email).values(deleted_at=clock.now())
        )


def ask(path: str, state: str, **options: Any) -> Answer:
    return request("POST", path, json_body={"email": address(state)}, **options)


def shown(answer: Answer, state: str) -> tuple[Any, ...]:
    """All that an answer shows, but the address that was sent and the time of day."""
    body = answer.json
    body.get("verification", {}).pop("expires_at", None)
    text = str(body).replace(address(state), "the address")
    volatile = ("x-request-id", "content-length")
    headers = {name: text for name, text in answer.headers.items() if name not in volatile}
    return answer.status, text, headers, answer.set_cookies


@contextmanager
def statements() -> Iterator[list[str]]:
    """What the database is asked, in order."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    event.listen(engine().sync_engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine().sync_engine, "before_cursor_execute", note)


@pytest.mark.case("C22")
@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize("delivered", [False, True], ids=["before its mail", "after its mail"])
def test_a_sign_up_and_a_sign_in_tell_nothing_about_an_address(delivered: bool):
    seen = {}
    for state in STATES:
        signed_up = sign_up(address(state), STRANGERS)
        if delivered:
            letters(address(state))
        signed_in = sign_in(address(state), STRANGERS)
        asked_again = ask("/auth/verify/resend", state)
        forgotten = ask("/auth/password/forgot", state)
        seen[state] = [
            shown(answer, state) for answer in (signed_up, signed_in, asked_again, forgotten)
        ]

    assert [answer[0] for answer in seen["none"]] == [201, 401, 202, 202]
    for state in STATES:
        assert seen[state] == seen["none"]


@pytest.mark.case("C22")
@pytest.mark.usefixtures("accounts")
def test_a_sign_in_before_the_confirmation_is_refused_as_for_any_address():
    pending, unknown = sign_in(address("pending")), sign_in(address("none"))

    assert shown(pending, "pending") == shown(unknown, "none")
    assert "not confirmed yet" in pending.json["detail"]


@pytest.mark.case("A31")
@pytest.mark.usefixtures("accounts")
def test_a_sign_up_does_the_same_work_for_every_address():
    work = {}
    for state in STATES:
        with statements() as work[state]:
            sign_up(address(state), STRANGERS)

    assert len(work["none"]) > 0
    for state in STATES:
        assert work[state] == work["none"]


@pytest.mark.case("J4")
@pytest.mark.usefixtures("accounts")
@pytest.mark.parametrize("path", ["/auth/verify/resend", "/auth/password/forgot"])
def test_a_request_for_a_mail_does_the_same_work_for_every_address(path: str):
    work = {}
    for state in STATES:
        with statements() as work[state]:
            ask(path, state)

    assert len(work["none"]) > 0
    for state in STATES:
        assert work[state] == work["none"]


@pytest.mark.case("J4")
@pytest.mark.usefixtures("accounts")
def test_a_refused_sign_in_does_the_same_work_for_every_address():
    work = {}
    for state in STATES:
        sign_up(address(state), STRANGERS)
        letters(address(state))
        with statements() as work[state]:
            assert sign_in(address(state), STRANGERS).status == 401

    for state in STATES:
        assert work[state] == work["none"]


@pytest.mark.case("J4")
@pytest.mark.usefixtures("accounts")
def test_a_change_to_an_address_does_the_same_work_for_every_address():
    token = sign_in(address("active")).json["access_token"]
    work, answers = {}, {}
    for state in ("none", "pending", "disabled", "closed"):
        with statements() as work[state]:
            answers[state] = shown(ask("/auth/email/change", state, token=token), state)

    for state in work:
        assert work[state] == work["none"]
        assert answers[state] == answers["none"]


@pytest.mark.case("J4")
def test_limits_are_met_after_as_many_requests_for_every_address(rate_limited: pytest.MonkeyPatch):
    rate_limited.setenv("RATE_LIMIT_MAIL_IP", "3/hour")
    rate_limited.setenv("AUTH_VERIFICATION_DELIVERY", "email")
    sign_up(address("active"))
    confirm(token_in(letters(address("active"))[0]))
    met = {}
    for number, state in enumerate(("active", "none")):
        ip = f"198.51.100.{number}"
        answers = [ask("/auth/password/forgot", state, source_ip=ip) for _ in range(4)]
        met[state] = [(each.status, set(each.headers), each.json) for each in answers]

    assert [status for status, *_ in met["none"]] == [202, 202, 202, 429]
    assert met["active"] == met["none"]
