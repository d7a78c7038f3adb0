"""What the owner of webhooks can do over the API."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

import functions.webhooks.create_secret
import functions.webhooks.list_deliveries
import functions.webhooks.list_secrets
import functions.webhooks.redeliver
from shared.database import transaction
from shared.models.webhook import WebhookSecret
from shared.process.event_loop import run
from shared.services.webhook_sending import send_due
from shared.services.webhooks import send_again
from shared.singletons import forget_singletons
from tests.http import Answer
from tests.providers import Asked, answers, providing
from tests.task_functions import ask, submit
from tests.task_functions import delete as delete_task
from tests.tasks import make_subscriber
from tests.webhooks import client, delivery_of, ended_task, is_signed


@pytest.fixture(autouse=True)
def at_home(backend: pytest.MonkeyPatch) -> None:
    backend.setenv("WEBHOOK_LOOPBACK", "true")
    backend.setenv("TRUST_USER_ID_HEADER", "local")
    forget_singletons()


def create_secret(user: UUID, body: Any = None) -> Answer:
    handler = functions.webhooks.create_secret.handler
    return ask(handler, "POST", "/api/v1/webhooks/secrets", user, json_body=body)


def list_secrets(user: UUID) -> list[dict[str, Any]]:
    handler = functions.webhooks.list_secrets.handler
    items = ask(handler, "GET", "/api/v1/webhooks/secrets", user).json["items"]
    assert isinstance(items, list)
    return items


def list_deliveries(user: UUID, **query: str) -> Answer:
    handler = functions.webhooks.list_deliveries.handler
    return ask(handler, "GET", "/api/v1/webhooks/deliveries", user, query=query)


def redeliver(user: UUID, delivery_id: object) -> Answer:
    path = f"/api/v1/webhooks/deliveries/{delivery_id}/redeliver"
    return ask(functions.webhooks.redeliver.handler, "POST", path, user)


def message(user: UUID) -> Asked:
    """A webhook that this user's receiver gets now."""

    async def scenario() -> Asked:
        async with providing(answers(200)) as receiver:
            await ended_task(receiver.origin, user)
            await send_due(client())
            return receiver.asked[-1]

    return run(scenario())


# --- Secrets --------------------------------------------------------------------------------------


def test_a_secret_is_shown_once():
    user = run(make_subscriber())

    made = create_secret(user)
    (listed,) = list_secrets(user)

    assert made.status == 201
    assert made.json["secret"].startswith("whsec_")
    assert listed == {name: made.json[name] for name in ("id", "created_at", "expires_at")}
    assert listed["expires_at"] is None


def test_the_first_task_with_a_webhook_makes_a_secret_if_there_is_none():
    user = run(make_subscriber())
    body = {"prompt": "a lamp", "webhook_url": "https://receiver.example/"}

    assert submit(user, {"prompt": "a lamp"}).status == 202
    assert list_secrets(user) == []
    assert [submit(user, body).status for _ in range(2)] == [202, 202]
    assert len(list_secrets(user)) == 1


def test_old_and_new_secret_sign_while_the_receiver_changes_over():
    user = run(make_subscriber())

    old = create_secret(user).json["secret"]
    new = create_secret(user).json["secret"]
    during = message(user)
    newest = create_secret(user, {"keep_previous_seconds": 0}).json["secret"]
    after = message(user)

    assert [is_signed(during, each) for each in (old, new)] == [True, True]
    assert [is_signed(after, each) for each in (old, new, newest)] == [False, False, True]
    assert len(list_secrets(user)) == 1


def test_a_user_never_has_more_than_two_secrets():
    async def count() -> int | None:
        async with transaction(writing=False) as session:
            return await session.scalar(select(func.count(WebhookSecret.id)))

    user = run(make_subscriber())

    for _ in range(4):
        create_secret(user)

    assert run(count()) == 2


def test_two_users_have_different_secrets():
    one, other = (create_secret(run(make_subscriber())).json["secret"] for _ in range(2))

    assert one != other


@pytest.mark.parametrize("seconds", [-1, 7 * 86400 + 1, "1", 1.5])
def test_an_overlap_that_is_none_is_refused(seconds):
    answer = create_secret(run(make_subscriber()), {"keep_previous_seconds": seconds})

    assert answer.status == 422


# --- Deliveries -----------------------------------------------------------------------------------


def test_deliveries_are_listed_page_by_page_newest_first():
    user = run(make_subscriber())
    tasks = [str(run(ended_task(f"https://receiver.example/{n}", user)).id) for n in range(5)]

    seen, query = [], {"limit": "2"}
    while True:
        page = list_deliveries(user, **query).json
        seen += page["items"]
        if page["next_cursor"] is None:
            break
        query = {"limit": "2", "cursor": page["next_cursor"]}

    assert [each["task_id"] for each in seen] == tasks[::-1]
    assert seen[0]["url"] == "https://receiver.example/4"
    assert (seen[0]["type"], seen[0]["status"]) == ("task.failed", "pending")
    assert seen[0]["webhook_id"] == "msg_" + seen[0]["id"].replace("-", "")


def test_deliveries_are_found_by_their_task_and_by_what_became_of_them():
    user = run(make_subscriber())
    task = run(ended_task("https://receiver.example/", user))
    run(ended_task("https://receiver.example/", user))

    def found(**query: str) -> int:
        return len(list_deliveries(user, **query).json["items"])

    assert found() == 2
    assert found(task_id=str(task.id)) == 1
    assert found(task_id=str(uuid4())) == 0
    assert found(status="pending") == 2
    assert found(status="failed") == 0


def test_a_cursor_of_something_else_is_refused():
    answer = list_deliveries(run(make_subscriber()), cursor="x")

    assert (answer.status, answer.json["code"]) == (400, "invalid_cursor")


def test_nobody_sees_or_sends_the_deliveries_of_another_user():
    stranger = run(make_subscriber())
    task = run(ended_task("https://receiver.example/", run(make_subscriber())))
    foreign = redeliver(stranger, run(delivery_of(task)).id)
    missing = redeliver(stranger, uuid4())

    assert list_deliveries(stranger).json["items"] == []
    assert list_deliveries(stranger, task_id=str(task.id)).json["items"] == []
    assert (foreign.status, foreign.json["code"]) == (404, "delivery_not_found")
    assert (missing.status, missing.json["detail"]) == (404, foreign.json["detail"])


@pytest.mark.parametrize("status", [200, 410])
def test_a_delivery_that_has_ended_is_sent_again_with_the_same_id(status):
    async def scenario() -> list[Asked]:
        async with providing(answers(status)) as receiver:
            task = await ended_task(receiver.origin, user)
            await send_due(client())
            receiver.behaviour = answers(200)
            await send_again(user, (await delivery_of(task)).id)
            await send_due(client())
            await ended_task(receiver.origin, user)
            await send_due(client())
            return receiver.asked

    user = run(make_subscriber())

    ids = [each.headers["webhook-id"] for each in run(scenario())]

    assert len(ids) == 3
    assert ids[0] == ids[1] != ids[2]


def test_sending_again_is_answered_with_the_delivery_as_it_is_now(broker):
    user = run(make_subscriber())
    task = run(ended_task("https://receiver.example/", user))

    answer = redeliver(user, run(delivery_of(task)).id)

    assert answer.status == 202
    assert answer.json == list_deliveries(user).json["items"][0]
    assert broker.llen("dramatiq:webhooks") == 1


def test_a_receiver_cannot_be_flooded_by_sending_again(backend, redis_server):
    backend.setenv("RATE_LIMITS", "on")
    backend.setenv("RATE_LIMIT_REDELIVERY", "2/minute")
    forget_singletons()
    user = run(make_subscriber())
    delivery = run(delivery_of(run(ended_task("https://receiver.example/", user))))

    statuses = [redeliver(user, delivery.id).status for _ in range(3)]

    assert statuses == [202, 202, 429]


def test_the_deliveries_of_a_deleted_task_are_gone():
    user = run(make_subscriber())
    task = run(ended_task("https://receiver.example/", user))

    delete_task(user, task.id)

    assert list_deliveries(user).json["items"] == []
