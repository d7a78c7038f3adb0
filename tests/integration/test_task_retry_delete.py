from typing import Any
from uuid import UUID, uuid4

import pytest
from redis import Redis
from sqlalchemy import func, select

from functions.tasks import delete as delete_function
from functions.tasks import retry as retry_function
from functions.tasks import ws_ticket as ws_ticket_function
from shared.clients import objects
from shared.database import transaction
from shared.models.task import IdempotencyKey, Outbox, TaskEvent
from shared.process.event_loop import run
from shared.stream import connections
from shared.stream.redis_keys import latest_key
from tests.http import call
from tests.services import objects_stored
from tests.task_functions import cancel, complete, delete, get, retry, submit, ws_ticket
from tests.tasks import blank_png, claim, history, make_task, make_user
from tests.watchers import connection

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def owner(backend: pytest.MonkeyPatch) -> UUID:
    return run(make_user())


@pytest.fixture
def ended(owner: UUID) -> dict[str, Any]:
    """A cancelled task."""
    body = {"prompt": "a lamp", "parameters": {"width": 64, "height": 96, "style": "ink"}}
    task_id = submit(owner, body, headers={"Idempotency-Key": "first"}).json["id"]
    task: dict[str, Any] = cancel(owner, task_id).json
    return task


def test_a_retry_is_a_new_task_for_the_same_picture(owner, ended):
    answer = retry(owner, ended["id"])

    again = answer.json
    assert answer.status == 202
    assert answer.headers["location"] == f"/api/v1/tasks/{again['id']}"
    assert again["id"] != ended["id"]
    assert again["retry_of"] == ended["id"]
    assert (again["prompt"], again["parameters"]) == (ended["prompt"], ended["parameters"])
    assert (again["status"], again["sequence"], again["attempt"]) == ("queued", 1, 0)
    assert get(owner, ended["id"]).json == ended


def test_a_repeated_retry_with_its_key_makes_one_task(owner, ended):
    first = retry(owner, ended["id"], headers={"Idempotency-Key": "k"})
    again = retry(owner, ended["id"], headers={"Idempotency-Key": '"k"'})

    assert (again.status, again.json) == (202, first.json)
    assert again.headers["idempotent-replayed"] == "true"


def test_a_key_of_another_request_is_refused_for_a_retry(owner, ended):
    answer = retry(owner, ended["id"], headers={"Idempotency-Key": "first"})

    assert (answer.status, answer.json["code"]) == (422, "idempotency_key_reused")


def test_a_retry_can_be_tried_again(owner, ended):
    second = retry(owner, ended["id"]).json
    cancel(owner, second["id"])

    third = retry(owner, second["id"])

    assert (third.status, third.json["retry_of"]) == (202, second["id"])


@pytest.mark.parametrize("act", [retry, delete])
def test_a_waiting_or_running_task_is_neither_retried_nor_deleted(owner, act):
    waiting = run(make_task(owner))
    running = run(make_task(owner))
    run(claim(running))

    answers = [act(owner, task.id) for task in (waiting, running)]

    refusals = {(answer.status, answer.json["code"]) for answer in answers}
    assert refusals == {(409, "task_not_finished")}
    assert get(owner, running.id).json["status"] == "processing"


def test_a_deleted_task_leaves_nothing_behind(owner, ended, redis_server):
    again = UUID(retry(owner, ended["id"], headers={"Idempotency-Key": "k"}).json["id"])
    complete(again)
    loser = f"{objects.folder(again)}2-lost.png"
    run(objects.put(loser, blank_png(), content_type="image/png"))
    other = f"{objects.folder(uuid4())}1.png"
    run(objects.put(other, blank_png(), content_type="image/png"))

    answer = delete(owner, again)

    assert (answer.status, answer.body) == (204, b"")
    assert get(owner, again).status == 404
    assert objects_stored() == [other]
    assert run(rows_of(again)) == [0, 0, 0]
    assert not Redis.from_url(f"{redis_server}/0").exists(latest_key(again))
    assert delete(owner, again).json["code"] == "task_not_found"


async def rows_of(task_id: UUID) -> list[int]:
    """How many rows still speak of the task, in each table."""
    async with transaction(writing=False) as session:
        return [
            await session.scalar(
                select(func.count()).select_from(table).where(table.task_id == task_id)
            )
            or 0
            for table in (TaskEvent, Outbox, IdempotencyKey)
        ]


def test_a_retry_outlives_the_task_it_was_for(owner, ended):
    again = retry(owner, ended["id"]).json["id"]

    assert delete(owner, ended["id"]).status == 204

    assert (get(owner, again).status, get(owner, again).json["retry_of"]) == (200, None)
    assert len(run(history(UUID(again)))) == 1


def test_the_deletion_of_a_task_wakes_its_watchers(owner, ended, redis_server):
    task_id = UUID(ended["id"])
    run(connections.connections().register(connection(task_id), connections.Cursor(sequence=1)))

    delete(owner, task_id)

    rung = Redis.from_url(f"{redis_server}/1").hvals("dramatiq:deliver.msgs")
    assert any(ended["id"].encode() in message for message in rung)


def test_a_task_whose_pictures_cannot_be_deleted_stays(owner, ended, backend):
    backend.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    objects._client.cache_clear()  # type: ignore[attr-defined]

    answer = delete(owner, ended["id"])

    assert (answer.status, answer.headers["retry-after"]) == (503, "5")
    assert get(owner, ended["id"]).status == 200


def test_a_task_is_deleted_while_redis_and_the_broker_are_unavailable(backend):
    backend.setenv("QUEUE_URL", "redis://127.0.0.1:1/1")
    backend.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    owner = run(make_user())
    task_id = submit(owner).json["id"]
    cancel(owner, task_id)

    assert delete(owner, task_id).status == 204
    assert get(owner, task_id).status == 404


def test_a_ticket_comes_with_the_address_it_opens(owner):
    task_id = submit(owner).json["id"]

    first, second = ws_ticket(owner, task_id), ws_ticket(owner, task_id)

    ticket = first.json["ticket"]
    assert (first.status, first.json["expires_in"]) == (201, 30)
    assert first.json["ws_url"] == f"ws://localhost:8000/ws/tasks/{task_id}?ticket={ticket}"
    assert first.headers["cache-control"] == "no-store"
    assert second.json["ticket"] != ticket


def test_redis_holds_no_ticket_that_could_be_used(owner, redis_server):
    ticket = ws_ticket(owner, submit(owner).json["id"]).json["ticket"]

    with Redis.from_url(f"{redis_server}/0") as redis:
        [key] = redis.keys("ws:ticket:*")
        kept = key + redis.get(key)
        assert 0 < redis.ttl(key) <= 30

    assert ticket.encode() not in kept


def test_without_redis_there_is_no_ticket(backend):
    backend.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    backend.setenv("QUEUE_URL", "redis://127.0.0.1:1/1")
    owner = run(make_user())

    assert ws_ticket(owner, submit(owner).json["id"]).status == 503


@pytest.mark.parametrize("act", [retry, delete, ws_ticket])
def test_another_user_finds_no_task(owner, ended, act):
    refused = [act(run(make_user()), ended["id"]), act(owner, uuid4())]

    assert {(answer.status, answer.json["code"]) for answer in refused} == {(404, "task_not_found")}


def test_each_of_these_actions_needs_a_sign_in(ended):
    task = f"/api/v1/tasks/{ended['id']}"
    handlers = [
        (retry_function.handler, "POST", f"{task}/retry"),
        (delete_function.handler, "DELETE", task),
        (ws_ticket_function.handler, "POST", f"{task}/ws-ticket"),
    ]

    assert {call(*handler).status for handler in handlers} == {401}
