"""How a task's end reaches the server that its owner named, whatever that server does."""

import asyncio
import re
import ssl
import time
from typing import Any
from uuid import UUID, uuid4

import pytest
import trustme
from standardwebhooks import Webhook, WebhookVerificationError

from shared.clients.addresses import resolve
from shared.clients.webhook_client import WebhookClient
from shared.database import transaction
from shared.models.user import User, UserStatus
from shared.models.webhook import DeliveryStatus
from shared.process.event_loop import run
from shared.repositories import webhook_sending as repository
from shared.repositories.webhook_secrets import WebhookSecretRepository
from shared.security import webhook_signatures
from shared.services.sweeping import sweep
from shared.services.webhook_sending import send_due
from shared.singletons import forget_singletons
from tests.conftest import ROOT
from tests.providers import Asked, answers, babbles, drips, hangs, pours, providing, resets
from tests.task_functions import cancel, get, retry, submit
from tests.tasks import make_subscriber, make_user, read
from tests.webhooks import (
    client,
    delivery_of,
    ended_task,
    endpoint_of,
    is_signed,
    received,
    time_passes,
)

PENDING, DELIVERED = DeliveryStatus.PENDING, DeliveryStatus.DELIVERED
FAILED, DISABLED = DeliveryStatus.FAILED, DeliveryStatus.DISABLED
PAGE = ROOT / "docs/webhooks.md"
SCHEDULE = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)


@pytest.fixture(autouse=True)
def at_home(backend: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    backend.setenv("WEBHOOK_LOOPBACK", "true")
    backend.setenv("TRUST_USER_ID_HEADER", "local")
    forget_singletons()
    return backend


async def signed_with(user_id, asked: Asked) -> list[bool]:
    """For each live secret of the user, whether a signature of the request was made with it."""
    async with transaction(writing=False) as session:
        secrets = await WebhookSecretRepository(session, owner_id=user_id).live()
    return [is_signed(asked, webhook_signatures.secret(user_id, each.salt)) for each in secrets]


async def secret_of(user_id) -> None:
    async with transaction() as session:
        await WebhookSecretRepository(session, owner_id=user_id).ensure()


def test_the_end_of_a_task_is_posted_signed_with_the_task_as_its_owner_reads_it():
    async def scenario():
        async with providing(answers(204)) as receiver:
            owner = await make_user()
            await secret_of(owner)
            task = await ended_task(f"{receiver.origin}/hook?key=1", owner)
            await send_due()
            (asked,) = receiver.asked
            return task, asked, await delivery_of(task), await signed_with(owner, asked)

    task, asked, delivery, signed = run(scenario())

    assert (asked.method, asked.path) == ("POST", "/hook?key=1")
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["webhook-id"] == f"msg_{delivery.id.hex}"
    assert signed == [True]
    assert received(asked)["type"] == "task.failed"
    assert received(asked)["data"] == get(task.user_id, task.id).json
    assert (delivery.status, delivery.attempts, delivery.last_status) == (DELIVERED, 1, 204)


def test_a_task_without_a_webhook_promises_nothing():
    task = run(ended_task("https://receiver.example/hook"))
    without = submit(run(make_subscriber())).json

    assert run(delivery_of(task)).status == PENDING
    assert without["webhook_url"] is None


@pytest.mark.parametrize(
    "behaviour",
    [answers(500), answers(404), resets, babbles, answers(302, location="http://127.0.0.1:1/")],
    ids=["500", "404", "reset", "no HTTP", "redirect"],
)
def test_an_attempt_that_fails_is_repeated_after_a_pause_with_the_same_id(behaviour):
    async def scenario():
        async with providing(behaviour) as receiver:
            task = await ended_task(receiver.origin)
            await send_due(client())
            await send_due(client())  # its time has not come
            first = await delivery_of(task)
            receiver.behaviour = answers(200)
            await time_passes()
            await send_due(client())
            return receiver.asked, first, await delivery_of(task)

    asked, first, second = run(scenario())

    assert [first.status, second.status] == [PENDING, DELIVERED]
    assert len(asked) == 2
    assert len({each.headers["webhook-id"] for each in asked}) == 1


def test_the_pauses_are_those_of_the_specification_and_then_it_has_failed():
    async def scenario():
        pauses = []
        async with providing(answers(500)) as receiver:
            task = await ended_task(receiver.origin)
            for _ in range(10):
                await time_passes()
                await send_due(client())
                delivery, endpoint = await delivery_of(task), await endpoint_of(task)
                assert endpoint.busy_until
                pauses.append((delivery.next_attempt_at - endpoint.busy_until).total_seconds())
            await time_passes()
            await send_due(client())
            return pauses, len(receiver.asked), await delivery_of(task), await endpoint_of(task)

    pauses, asked, delivery, endpoint = run(scenario())

    for pause, planned in zip(pauses, SCHEDULE, strict=False):
        assert planned - 5 < pause < planned * 1.1 + 1
    assert asked == 10
    assert (delivery.status, delivery.attempts, delivery.last_status) == (FAILED, 10, 500)
    assert endpoint.due_at is None


def test_a_receiver_that_does_not_answer_in_time_is_left():
    async def scenario():
        async with providing(hangs) as receiver:
            task = await ended_task(receiver.origin)
            await send_due(client(timeout_seconds=0.2))
            await asyncio.wait_for(receiver.was_left.wait(), 5)
            return await delivery_of(task)

    delivery = run(scenario())

    assert (delivery.status, delivery.last_error) == (PENDING, "timeout")


@pytest.mark.parametrize("behaviour", [pours, drips], ids=["pours", "drips"])
def test_a_success_counts_however_long_its_body_is(behaviour):
    async def scenario():
        async with providing(behaviour) as receiver:
            task = await ended_task(receiver.origin)
            await send_due(client())
            return await delivery_of(task)

    assert run(scenario()).status == DELIVERED


def test_an_overloaded_receiver_gets_nothing_until_the_time_that_it_names():
    async def scenario():
        async with providing(answers(429, Retry_After="600")) as receiver:
            owner = await make_user()
            first = await ended_task(receiver.origin, owner)
            await send_due(client())
            await ended_task(receiver.origin, owner)
            await send_due(client())
            return len(receiver.asked), await delivery_of(first), await endpoint_of(first)

    asked, delivery, endpoint = run(scenario())

    assert asked == 1
    assert endpoint.due_at == endpoint.busy_until
    assert delivery.next_attempt_at > endpoint.used_at


def test_a_receiver_that_is_gone_gets_nothing_more():
    async def scenario():
        async with providing(answers(410)) as receiver:
            owner = await make_user()
            first = await ended_task(receiver.origin, owner)
            await send_due(client())
            later = await ended_task(receiver.origin, owner)
            await send_due(client())
            return len(receiver.asked), await delivery_of(first), await delivery_of(later)

    asked, first, later = run(scenario())

    assert asked == 1
    assert (first.status, first.last_status) == (DISABLED, 410)
    assert (later.status, later.attempts) == (DISABLED, 0)


def test_a_receiver_that_hangs_holds_up_no_other_one():
    async def scenario():
        async with providing(hangs) as dead, providing(answers(200)) as alive:
            for _ in range(12):  # more than are sent to at a time
                await ended_task(dead.origin)
            waiting = await ended_task(dead.origin)
            prompt = await ended_task(alive.origin)
            await send_due(client(timeout_seconds=0.3))
            return await delivery_of(waiting), await delivery_of(prompt)

    waiting, prompt = run(scenario())

    assert waiting.attempts == 1
    assert prompt.status == DELIVERED


def test_one_endpoint_that_hangs_takes_one_place_however_much_waits_for_it():
    async def scenario():
        async with providing(hangs) as dead, providing(answers(200)) as alive:
            owner = await make_user()
            for _ in range(12):
                await ended_task(dead.origin, owner)
            other = await ended_task(alive.origin, owner)
            sending = asyncio.create_task(send_due(client(timeout_seconds=1)))
            async with asyncio.timeout(5):
                await alive.was_asked.wait()
            still_sending, asked = not sending.done(), len(dead.asked)
            while (delivery := await delivery_of(other)).status == PENDING:
                await asyncio.sleep(0.01)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            return still_sending, asked, delivery

    still_sending, asked, other = run(scenario())

    assert still_sending
    assert asked <= 5
    assert other.status == DELIVERED


def test_a_sender_killed_between_the_answer_and_its_note_sends_the_same_id_again():
    async def scenario():
        async with providing(answers(200)) as receiver:
            task = await ended_task(receiver.origin)
            sender = asyncio.create_task(send_due(client()))
            await receiver.was_asked.wait()
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
            await send_due(client())  # the dead sender's turn is not over
            during = len(receiver.asked)
            await time_passes()
            await send_due(client())
            return during, receiver.asked, await delivery_of(task)

    during, asked, delivery = run(scenario())

    assert during == 1
    assert {each.headers["webhook-id"] for each in asked} == {f"msg_{delivery.id.hex}"}
    assert delivery.status == DELIVERED


def test_two_senders_at_once_send_each_webhook_once(postgresql_backend):
    async def scenario():
        async with providing(answers(200)) as receiver:
            owner = await make_user()
            tasks = [await ended_task(f"{receiver.origin}/{n}", owner) for n in range(20)]
            await asyncio.gather(*(send_due(client()) for _ in range(4)))
            ids = [each.headers["webhook-id"] for each in receiver.asked]
            return ids, [await delivery_of(task) for task in tasks]

    ids, deliveries = run(scenario())

    assert all(each.status == DELIVERED for each in deliveries)
    assert len(ids) == len(set(ids))


def test_a_promise_made_while_the_endpoint_is_served_is_not_forgotten(postgresql_backend):
    async def scenario():
        async with providing(answers(200)) as receiver:
            owner = await make_user()
            url = receiver.origin
            await ended_task(url, owner)
            async with transaction() as session:
                claimed = await repository.claim(session, limit=100)
            (endpoint,) = [each for each in claimed if each.user_id == owner]
            later = await ended_task(url, owner)
            async with transaction() as session:
                await repository.release(session, endpoint, failures=0, pause_seconds=0)
            await send_due(client())
            return await delivery_of(later)

    assert run(scenario()).status == DELIVERED


async def names(*addresses: str) -> WebhookClient:
    """A sender in whose network every name has these addresses, the next at each look-up."""
    left = list(addresses)

    async def lookup(host: str, port: int) -> list[str]:
        return [left.pop(0) if len(left) > 1 else left[0]]

    async def resolving(host: str, port: int, *, loopback_allowed: bool) -> str:
        return await resolve(host, port, loopback_allowed=loopback_allowed, lookup=lookup)

    return WebhookClient(timeout_seconds=0.3, loopback=True, resolve=resolving)


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:127.0.0.1", "0.0.0.0"],
)
def test_a_name_that_leads_into_a_private_network_is_not_reached(address):
    async def scenario():
        async with providing(answers(200)) as receiver:
            port = receiver.origin.rpartition(":")[2]
            task = await ended_task(f"https://receiver.example:{port}/")
            await send_due(await names(address))
            return receiver.asked, await delivery_of(task)

    asked, delivery = run(scenario())

    assert asked == []
    assert (delivery.status, delivery.last_error) == (PENDING, "forbidden_address")


def test_a_name_that_changes_after_the_check_is_not_asked_for_again():
    """The second look-up would say 127.0.0.1, where somebody listens."""

    async def scenario():
        async with providing(answers(200)) as receiver:
            port = receiver.origin.rpartition(":")[2]
            task = await ended_task(f"http://receiver.example:{port}/")
            sender = await names("192.31.196.1", "127.0.0.1")  # nobody answers at the first
            await send_due(sender)
            return receiver.asked, await delivery_of(task)

    asked, delivery = run(scenario())

    assert asked == []
    assert delivery.attempts == 1


def test_this_machine_is_no_receiver_unless_the_operator_says_so():
    async def scenario():
        async with providing(answers(200)) as receiver:
            task = await ended_task(receiver.origin)
            await send_due(WebhookClient(timeout_seconds=1, loopback=False))
            return receiver.asked, await delivery_of(task)

    asked, delivery = run(scenario())

    assert asked == []
    assert delivery.last_error == "forbidden_address"


@pytest.mark.parametrize(
    ("name", "status"), [("localhost", DELIVERED), ("receiver.example", PENDING)]
)
def test_the_certificate_must_be_for_the_name_in_the_url(at_home, tmp_path, name, status):
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    authority.issue_cert(name).configure_cert(tls)
    at_home.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

    async def scenario():
        async with providing(answers(200), tls) as receiver:
            task = await ended_task(receiver.origin)
            await send_due(client())
            return len(receiver.asked), await delivery_of(task)

    asked, delivery = run(scenario())

    assert (asked > 0, delivery.status) == (status == DELIVERED, status)
    assert delivery.last_error == (None if asked else "connection_failed")


def test_a_closed_account_sends_nothing():
    async def scenario():
        async with providing(answers(200)) as receiver:
            task = await ended_task(receiver.origin)
            async with transaction() as session:
                (await session.get_one(User, task.user_id)).status = UserStatus.DISABLED
            await send_due(client())
            return receiver.asked, await delivery_of(task)

    asked, delivery = run(scenario())

    assert asked == []
    assert delivery.status == DISABLED


def test_the_sweep_rings_for_what_is_due(broker):
    run(ended_task("https://receiver.example/hook"))

    run(sweep())

    assert broker.llen("dramatiq:webhooks") == 1


def test_a_cancelled_task_rings_at_once(broker):
    user = run(make_subscriber())
    url = "https://receiver.example/hook"
    task = submit(user, {"prompt": "a lamp", "webhook_url": url}).json

    cancel(user, task["id"])

    assert broker.llen("dramatiq:webhooks") == 1
    assert run(delivery_of(run(read(UUID(task["id"]))))).event_type == "task.cancelled"


WRONG_URLS = [
    "http://receiver.example/",
    "ftp://receiver.example/",
    "https://receiver",
    "https://10.0.0.1/",
    "https://8.8.8.8/",
    "https://0x7f.1/",
    "https://2130706433/",
    "https://user:secret@receiver.example/",
    "https://receiver.example:22/",
    "https://receiver.example:0/",
    "https://receiver.example:99999/",
    "https://receiver.example/#part",
    "https://receiver.example\\@10.0.0.1/",
    "https://receiver.example/a b",
    "https://receiver.example/\u00e4",
    "https://receiver.example/\r\nX: 1",
    "https://receiver.example/\n",
    "https://receiver.example/" + "a" * 2000,
    "https://" + "a." * 124 + "example/",  # 254 characters, one too many
    "http://localhost.evil.example/",
    "http://127.0.0.1@evil.example/",
    "http://evil.example/?localhost",
    "http://localhost:0/",
    "http://localhost:8080#hook/",
    "http://local\nhost/",
    "http://local\thost/",
    "http://localhost:99999/",
    "http://[::1",
    "",
    "//receiver.example/",
    7,
]


@pytest.mark.parametrize("url", WRONG_URLS)
def test_a_url_that_nothing_may_be_sent_to_is_refused(url):
    answer = submit(run(make_subscriber()), {"prompt": "a lamp", "webhook_url": url})

    assert (answer.status, answer.json["code"]) == (422, "unprocessable")
    assert [each["loc"] for each in answer.json["errors"]] == [["body", "webhook_url"]]


@pytest.mark.parametrize(
    "url",
    [
        "https://receiver.example",
        "https://receiver.example:8443/hook?a=1",
        "HTTPS://Receiver.Example/%20",
        "http://localhost:8080/hook",
        "http://127.0.0.1:1/",
        "http://[::1]:8080/",
    ],
)
def test_a_url_that_may_be_sent_to_is_kept_as_it_was_given(url):
    user = run(make_subscriber())

    answer = submit(user, {"prompt": "a lamp", "webhook_url": url})

    assert (answer.status, answer.json["webhook_url"]) == (202, url)
    assert get(user, answer.json["id"]).json["webhook_url"] == url


def test_the_webhook_is_part_of_what_an_idempotency_key_compares():
    user, key = run(make_subscriber()), {"Idempotency-Key": str(uuid4())}
    body = {"prompt": "a lamp", "webhook_url": "https://receiver.example/"}

    first = submit(user, body, headers=key)
    again = submit(user, body, headers=key)
    other = submit(user, {**body, "webhook_url": "https://receiver.example/2"}, headers=key)

    assert first.json == again.json
    assert other.json["code"] == "idempotency_key_reused"


def test_a_task_that_is_tried_again_has_the_same_webhook():
    url = "https://receiver.example/"
    owner = run(make_subscriber())
    task = run(ended_task(url, owner))

    assert retry(owner, task.id).json["webhook_url"] == url


def test_the_documented_code_knows_genuine_messages():
    (code,) = re.findall(r"```python\n(import .*?)```", PAGE.read_text(), re.DOTALL)
    documented: dict[str, Any] = {}
    exec(code, documented)
    owner = uuid4()
    body, salts = b'{"type":"task.failed"}', (b"a" * 32, b"b" * 32)
    now = int(time.time())

    def genuine(sent_at: int, body: bytes, salt: bytes) -> bool:
        signed = webhook_signatures.headers("msg_1", sent_at, body, user_id=owner, salts=salts)
        secret = webhook_signatures.secret(owner, salt)
        return bool(documented["is_genuine"](secret, signed, b'{"type":"task.failed"}'))

    assert genuine(now, body, salts[0])
    assert genuine(now, body, salts[1])
    assert not genuine(now, body, b"c" * 32)
    assert not genuine(now, b'{"type":"task.completed"}', salts[0])
    assert not genuine(now - 600, body, salts[0])


def test_the_specifications_own_library_knows_genuine_messages():
    owner, salt, body = uuid4(), b"a" * 32, b'{"type":"task.failed"}'
    signed = webhook_signatures.headers(
        "msg_1", int(time.time()), body, user_id=owner, salts=[salt]
    )
    receiver = Webhook(webhook_signatures.secret(owner, salt))

    assert receiver.verify(body, signed) == {"type": "task.failed"}
    with pytest.raises(WebhookVerificationError):
        receiver.verify(b'{"type":"task.completed"}', signed)
