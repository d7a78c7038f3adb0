"""However a mail comes about, it goes to its mailbox through one limit."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine

from shared import clock
from shared.database import transaction
from shared.mail.port import Mail, MailNotSent
from shared.models.mail import MailKind
from shared.models.user import UserStatus
from shared.process.event_loop import run
from shared.repositories.outgoing_mails import BATCH, OutgoingMailRepository
from shared.services.outgoing_mails import READERS, send_due
from tests.auth import EMAIL, open_account, set_status, sign_in
from tests.catalogue.gateway import request
from tests.catalogue.mailbox import letters
from tests.integration.test_outgoing_mails import make_due, waiting

KINDS = list(MailKind)
Add = Callable[[OutgoingMailRepository], Awaitable[None]]


@pytest.fixture(autouse=True)
def mailbox(rate_limited: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An account, and limits that Redis counts."""
    rate_limited.setenv("MAIL_URL", "mailbox://")
    open_account()
    return rate_limited


@pytest.fixture
def minutes() -> Any:
    with time_machine.travel(clock.now(), tick=False) as time:
        yield time


def write(add: Add) -> None:
    async def commit() -> None:
        async with transaction() as session:
            await add(OutgoingMailRepository(session))

    run(commit())


def ask_for(kind: MailKind, network: int, *, password_hash: str | None = None) -> None:
    """As a stranger's request does, which somebody reads."""
    if kind in READERS:
        set_status(EMAIL, READERS[kind][0])
    ask_in_vain(kind, network, password_hash=password_hash)


def ask_in_vain(kind: MailKind, network: int, *, password_hash: str | None = None) -> None:
    asker = f"network 198.51.100.{network}"
    write(lambda mails: mails.request(kind, EMAIL, asker=asker, password_hash=password_hash))


def ask_to_sign_up(address: str) -> None:
    write(
        lambda mails: mails.request(
            MailKind.VERIFY_EMAIL, address, asker="network 198.51.100.1", password_hash="$hash"
        )
    )


def tell(kind: MailKind) -> None:
    """As an event of the account does."""
    if kind in READERS:
        set_status(EMAIL, READERS[kind][0])
    write(lambda mails: mails.add(kind, EMAIL))


def later(time: Any, **pause: float) -> None:
    time.shift(timedelta(**pause))
    make_due()


@pytest.mark.case("J1")
@pytest.mark.parametrize("kind", KINDS)
def test_a_mailbox_gets_one_requested_mail_a_minute_of_whatever_kind(kind: MailKind, minutes: Any):
    ask_for(MailKind.RESET_PASSWORD, network=1)
    first = len(letters(EMAIL))
    for network in range(2, 6):
        ask_for(kind, network)

    within_the_minute = len(letters(EMAIL))
    later(minutes, seconds=61)
    a_minute_later = len(letters(EMAIL))

    assert (first, within_the_minute, a_minute_later) == (1, 1, 2)


@pytest.mark.case("J1")
def test_one_network_causes_five_mails_of_all_kinds_a_day_to_a_mailbox(minutes: Any):
    for kind in KINDS:
        ask_for(kind, network=1)
        letters(EMAIL)
        later(minutes, seconds=61)

    assert len(letters(EMAIL)) == 5
    assert waiting() == 0


@pytest.mark.case("J1")
def test_tags_of_one_address_share_the_limit_of_their_mailbox(minutes: Any):
    """Most mail servers deliver them all to the same person."""
    local_part, _, domain = EMAIL.partition("@")
    tagged = [f"{local_part}+{number}@{domain}" for number in range(7)]

    def received() -> int:
        return sum(len(letters(address)) for address in tagged)

    for address in tagged:
        ask_to_sign_up(address)
    at_once = received()
    for _ in range(7):
        later(minutes, seconds=61)
        received()

    assert (at_once, received()) == (1, 5)


@pytest.mark.case("J2")
@pytest.mark.parametrize("kind", KINDS)
def test_the_requests_of_strangers_hold_back_no_news(
    kind: MailKind, mailbox: pytest.MonkeyPatch, minutes: Any
):
    mailbox.setenv("RATE_LIMIT_MAILBOX", "1/day")
    for network in range(5):
        ask_for(MailKind.RESET_PASSWORD, network)
    noise = len(letters(EMAIL))

    tell(kind)

    assert (noise, len(letters(EMAIL))) == (1, 2)


@pytest.mark.case("J2")
def test_news_come_first_however_many_requests_wait():
    async def ask_often(mails: OutgoingMailRepository) -> None:
        for number in range(2 * BATCH):
            await mails.request(MailKind.RESET_PASSWORD, EMAIL, asker=f"network {number}")

    async def claimed() -> list[MailKind]:
        async with transaction() as session:
            return [mail.kind for mail in await OutgoingMailRepository(session).claim()]

    write(ask_often)
    tell(MailKind.PASSWORD_CHANGED)

    assert MailKind.PASSWORD_CHANGED in run(claimed())


@pytest.mark.case("J2")
def test_news_that_come_too_often_wait_and_are_not_dropped(minutes: Any):
    for _ in range(7):
        tell(MailKind.PASSWORD_CHANGED)
        letters(EMAIL)
        later(minutes, seconds=61)
    of_the_day, kept = len(letters(EMAIL)), waiting()

    later(minutes, days=1)

    assert (of_the_day, kept) == (5, 1)  # the newest says what those before it said
    assert len(letters(EMAIL)) == 6


@pytest.mark.case("J3")
def test_five_requests_of_a_stranger_leave_the_owner_the_same_mail(minutes: Any):
    for _ in range(7):
        forget_password("203.0.113.9")
        letters(EMAIL)
        later(minutes, seconds=61)
    before = len(letters(EMAIL))

    forget_password("192.0.2.1")

    assert before == 5
    assert len(letters(EMAIL)) == 6


@pytest.mark.case("J3")
def test_strangers_everywhere_leave_the_owner_s_device_a_mail(
    mailbox: pytest.MonkeyPatch, minutes: Any
):
    device = {name: text for name, text in sign_in().cookies.items() if name == "device"}
    for number in range(25):
        forget_password(f"203.0.113.{number}")
        letters(EMAIL)
        later(minutes, seconds=61)
    before = len(letters(EMAIL))

    forget_password("203.0.113.1", cookies=device)

    assert before == 20
    assert len(letters(EMAIL)) == 21


@pytest.mark.case("J3")
def test_known_devices_together_cause_one_mail_a_minute(minutes: Any):
    """Whoever had the password once can make as many devices known as they like."""
    for number in range(3):
        device = sign_in().cookies["device"]
        forget_password(f"203.0.113.{number}", cookies={"device": device})
    at_once = len(letters(EMAIL))
    later(minutes, seconds=61)

    assert (at_once, len(letters(EMAIL))) == (1, 2)


def test_the_device_of_one_account_is_a_stranger_to_another():
    open_account("mallory@example.com")
    mallory = sign_in("mallory@example.com").cookies["device"]
    forget_password("203.0.113.1")
    before = len(letters(EMAIL))

    forget_password("203.0.113.2", cookies={"device": mallory})

    assert (before, len(letters(EMAIL))) == (1, 1)


def test_a_mail_that_nobody_reads_does_not_count():
    for network in range(5):
        ask_in_vain(MailKind.RESEND_VERIFICATION, network)
    letters(EMAIL)

    forget_password("192.0.2.1")

    assert len(letters(EMAIL)) == 1


def test_a_mail_that_its_service_refused_does_not_count():
    service = Refusing()
    ask_for(MailKind.RESET_PASSWORD, network=1)
    for _ in range(6):
        run(send_due(service))
        make_due()

    assert service.asked == 6
    assert len(letters(EMAIL)) == 1


def test_a_sign_up_that_waits_is_not_lost_to_another(mailbox: pytest.MonkeyPatch, minutes: Any):
    """Each has a password of its own; whose the mailbox is decides which of them comes to life."""
    set_status(EMAIL, UserStatus.PENDING)
    for password_hash in ("$one", "$two", "$three"):
        ask_for(MailKind.VERIFY_EMAIL, network=1, password_hash=password_hash)
    found = []
    for _ in range(3):
        found.append(len(letters(EMAIL)))
        later(minutes, seconds=61)

    assert found == [1, 2, 3]


def test_two_accounts_that_move_to_one_address_do_not_replace_each_other_s_mail(minutes: Any):
    """Otherwise a stranger behind the same router lets the owner confirm the stranger's account."""
    new, other = "new@example.com", "other@example.com"
    open_account(other)
    for email in (EMAIL, EMAIL, other):
        token = sign_in(email).json["access_token"]
        body = {"email": new}
        assert request("POST", "/auth/email/change", token=token, json_body=body).status == 202
    found = []
    for _ in range(3):
        found.append(len(letters(new)))
        later(minutes, seconds=61)

    assert found == [1, 2, 2], "the same account's first mail gave way to its second"


class Refusing:
    def __init__(self) -> None:
        self.asked = 0

    async def send(self, mail: Mail) -> None:
        self.asked += 1
        raise MailNotSent("Throttling")


def forget_password(ip: str, **options: Any) -> None:
    answer = request(
        "POST", "/auth/password/forgot", json_body={"email": EMAIL}, source_ip=ip, **options
    )
    assert answer.status == 202
