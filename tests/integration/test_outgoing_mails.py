import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from moto.backends import get_backend
from sqlalchemy import func, select, update

import functions.tasks.sweep
from shared import clock
from shared.database import transaction
from shared.mail.port import Mail, MailNotSent
from shared.models.base import database_now
from shared.models.mail import OutgoingMail
from shared.models.user import UserStatus
from shared.process.event_loop import run
from shared.queues.doorbells import SWEEP, message
from shared.services.outgoing_mails import MAX_ATTEMPTS, send_due
from shared.singletons import forget_singletons
from tests.auth import EMAIL, PASSWORD, confirm, open_account, set_status, sign_in, sign_up
from tests.catalogue.gateway import request
from tests.catalogue.mailbox import letters, token_in
from tests.http import Answer

OTHER_PASSWORD = "another password altogether"


@pytest.fixture
def by_mail(application: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    application.setenv("AUTH_VERIFICATION_DELIVERY", "email")
    forget_singletons()
    return application


class BrokenService:
    """Accepts no mail until it is repaired."""

    def __init__(self) -> None:
        self.broken = True
        self.taken: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        if self.broken:
            raise MailNotSent("Throttling")
        self.taken.append(mail)


@pytest.fixture
def service() -> BrokenService:
    return BrokenService()


def resend(email: str = EMAIL) -> Answer:
    return request("POST", "/auth/verify/resend", json_body={"email": email})


def waiting() -> int:
    async def count() -> int:
        async with transaction(writing=False) as session:
            return await session.scalar(select(func.count()).select_from(OutgoingMail)) or 0

    return run(count())


def make_due() -> None:
    async def change() -> None:
        async with transaction() as session:
            await session.execute(update(OutgoingMail).values(available_at=database_now(-1)))

    run(change())


@pytest.mark.usefixtures("by_mail")
def test_a_new_account_is_confirmed_by_the_token_in_its_mailbox():
    answer = sign_up()

    (letter,) = letters(EMAIL)
    assert "token" not in answer.json["verification"]
    assert confirm(token_in(letter)).status == 200
    assert sign_in().status == 200


@pytest.mark.usefixtures("application")
def test_where_both_ways_are_used_both_tokens_work(application: pytest.MonkeyPatch):
    application.setenv("AUTH_VERIFICATION_DELIVERY", "both")
    forget_singletons()
    answered = sign_up().json["verification"]["token"]
    mailed = token_in(letters(EMAIL)[0])

    assert answered != mailed
    assert confirm(mailed).status == 200
    assert confirm(answered).json["code"] == "invalid_or_expired_token"


@pytest.mark.usefixtures("by_mail")
def test_the_owner_of_a_known_address_is_told_of_another_sign_up():
    sign_up()
    confirm(token_in(letters(EMAIL)[0]))

    answer = sign_up("DEMO@example.com", OTHER_PASSWORD)

    assert answer.status == 201
    assert "has an account already" in letters(EMAIL)[-1]
    assert "#" not in letters(EMAIL)[-1]


@pytest.mark.usefixtures("by_mail")
def test_a_token_can_be_sent_again():
    sign_up()
    letters(EMAIL)

    known, unknown = resend(), resend("nobody@example.com")

    assert (known.status, unknown.status) == (202, 202)
    assert (known.body, known.headers) == (unknown.body, unknown.headers)
    first, second = letters(EMAIL)
    assert letters("nobody@example.com") == []
    assert confirm(token_in(second)).status == 200
    assert confirm(token_in(first)).status == 400


@pytest.mark.usefixtures("by_mail")
def test_a_user_who_has_confirmed_is_sent_no_token():
    sign_up()
    confirm(token_in(letters(EMAIL)[0]))

    assert resend().status == 202

    assert len(letters(EMAIL)) == 1


@pytest.mark.usefixtures("by_mail")
def test_a_link_to_confirm_goes_to_the_spelling_that_signed_up_with_it():
    """Whoever signed up first with another spelling may have another mailbox (RFC 5321, 2.4)."""
    first = EMAIL.upper()
    sign_up(first, OTHER_PASSWORD)
    (strangers,) = letters(first)
    sign_up(EMAIL)

    (owners,) = letters(EMAIL)

    assert letters(first) == [strangers]
    assert confirm(token_in(owners)).status == 200
    assert sign_in().json["user"]["email"] == EMAIL
    assert confirm(token_in(strangers)).status == 400


@pytest.mark.usefixtures("by_mail")
def test_after_several_sign_ups_the_mailbox_s_owner_chooses_the_password():
    """If the newest sign-up's token were sent again, that would help an attacker."""
    sign_up()
    sign_up(password="an attacker's password")
    resend()

    token = token_in(letters(EMAIL)[-1])
    reset = {"token": token, "password": OTHER_PASSWORD}
    answer = request("POST", "/auth/password/reset", json_body=reset)

    assert token.startswith("pr1_")
    assert answer.status == 200
    assert sign_in(password=OTHER_PASSWORD).status == 200
    assert sign_in(password="an attacker's password").status == 401
    assert sign_in().status == 401


@pytest.mark.usefixtures("application")
def test_where_answers_carry_tokens_a_new_token_is_in_the_answer_too():
    sign_up()

    pending, unknown = resend(), resend("nobody@example.com")

    assert confirm(pending.json["verification"]["token"]).status == 200
    assert unknown.json == {"status": "accepted"}
    assert sign_in().status == 200


@pytest.mark.usefixtures("by_mail")
def test_a_token_lost_for_a_day_can_still_be_replaced():
    sign_up()
    token = token_in(letters(EMAIL)[0])

    with time_machine.travel(clock.now() + timedelta(days=2)):
        late = confirm(token)
        resend()
        replaced = confirm(token_in(letters(EMAIL)[-1]))

    assert late.json["code"] == "invalid_or_expired_token"
    assert replaced.status == 200


@pytest.mark.usefixtures("application")
def test_nobody_can_reset_the_password_of_a_disabled_account():
    open_account()
    set_status(EMAIL, UserStatus.DISABLED)

    answer = request("POST", "/auth/password/forgot", json_body={"email": EMAIL})

    assert answer.status == 202
    assert letters(EMAIL) == []


@pytest.mark.usefixtures("by_mail")
def test_a_mail_that_was_not_accepted_is_sent_later(service: BrokenService):
    assert sign_up().status == 201
    run(send_due(service))
    run(send_due(service))
    kept = waiting()
    service.broken = False
    make_due()

    run(send_due(service))

    assert kept == 1
    assert waiting() == 0
    (mail,) = service.taken
    assert confirm(token_in(mail.text)).status == 200


@pytest.mark.usefixtures("by_mail")
def test_a_mail_that_is_never_accepted_is_given_up_and_logged(
    service: BrokenService, caplog: pytest.LogCaptureFixture
):
    sign_up()
    for _ in range(MAX_ATTEMPTS):
        make_due()
        run(send_due(service))

    assert waiting() == 0
    assert [each.levelname for each in caplog.records if "given up" in each.message] == ["ERROR"]
    assert EMAIL not in caplog.text


def test_concurrent_senders_send_each_mail_once(
    service: BrokenService, postgresql_backend: pytest.MonkeyPatch
):
    service.broken = False
    postgresql_backend.setenv("AUTH_VERIFICATION_DELIVERY", "email")
    forget_singletons()
    addresses = [f"side-by-side-{number}@example.com" for number in range(20)]
    for address in addresses:
        sign_up(address)

    async def race() -> None:
        await asyncio.gather(*(send_due(service) for _ in range(4)))

    run(race())

    sent = [mail.recipient for mail in service.taken if mail.recipient in addresses]
    assert sorted(sent) == sorted(addresses)  # the database also holds mails of other tests


@pytest.mark.usefixtures("backend")
def test_the_sweep_sends_what_requests_have_promised(application: pytest.MonkeyPatch):
    application.setenv("AUTH_VERIFICATION_DELIVERY", "email")
    forget_singletons()
    sign_up()

    record = {"messageId": "1", "body": message(SWEEP).encode().decode()}
    functions.tasks.sweep.handler({"Records": [record]}, None)

    assert waiting() == 0
    assert len(letters(EMAIL)) == 1


@pytest.mark.usefixtures("by_mail")
def test_the_log_of_a_mail_names_its_subject_and_hides_the_rest(
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.INFO)
    sign_up()
    token = token_in(letters(EMAIL)[0])

    (line,) = [each for each in caplog.records if each.message == "A mail was sent"]
    assert "Confirm your e-mail address" in line.__dict__["subject"]
    assert line.__dict__["recipient"] == "d***@example.com"
    for record in caplog.records:
        assert not any(secret in str(record.__dict__) for secret in (EMAIL, PASSWORD, token))


def test_ses_gets_the_mail_in_parts(by_mail: pytest.MonkeyPatch, object_store: str):
    variables = {
        "MAIL_URL": "ses://",
        "MAIL_FROM": "Lämpwork <no-reply@example.com>",
        "AWS_ENDPOINT_URL": object_store,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in variables.items():
        by_mail.setenv(name, value)
    forget_singletons()
    ses: Any = get_backend("ses")["123456789012"]["us-east-1"]
    ses.verify_email_identity("no-reply@example.com")
    sign_up("ses@bücher.example")

    run(send_due())

    sent = ses.sent_messages[-1]
    assert sent.source == "=?utf-8?b?TMOkbXB3b3Jr?= <no-reply@example.com>"
    assert sent.destinations["ToAddresses"] == ["ses@xn--bcher-kva.example"]
    assert sent.subject == "Confirm your e-mail address for Lampwork"
    assert waiting() == 0


def test_a_mail_is_kept_when_ses_does_not_know_its_sender(
    by_mail: pytest.MonkeyPatch, object_store: str
):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        by_mail.setenv(name, "testing")
    by_mail.setenv("AWS_DEFAULT_REGION", "us-east-1")
    by_mail.setenv("AWS_ENDPOINT_URL", object_store)
    by_mail.setenv("MAIL_URL", "ses://")
    by_mail.setenv("MAIL_FROM", "nobody@unverified.example")
    forget_singletons()
    sign_up()

    run(send_due())

    assert waiting() == 1


@pytest.mark.parametrize("address", ["müller@example.com", "用户@例え.jp"])
def test_who_could_not_be_mailed_cannot_sign_up(by_mail: pytest.MonkeyPatch, address: str):
    by_mail.setenv("MAIL_URL", "ses://")

    refused = sign_up(address)

    assert refused.status == 422
    assert [each["loc"] for each in refused.json["errors"]] == [["body", "email"]]
    assert sign_in(address).status == 401  # who has an account from before may go on asking


def test_a_developers_mailbox_takes_any_address(by_mail: pytest.MonkeyPatch):
    assert sign_up("müller@example.com").status == 201
    assert sign_up("m\ufffdller@example.com").status == 422
