import asyncio
import json
import logging
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from redis import Redis
from sqlalchemy import update

import functions.tasks.cancel
import functions.tasks.create
import functions.tasks.get
import functions.tasks.list
import functions.tasks.result
import functions.tasks.thumbnail
from shared.database import transaction
from shared.errors import InvalidToken
from shared.models.base import database_now
from shared.models.user import User
from shared.process import logs
from shared.process.event_loop import run
from shared.schemas.task import TaskCreate
from shared.services.tasks import TaskService
from tests.catalogue.cases import case
from tests.http import Answer, call
from tests.task_functions import ask, cancel, complete, get, list_tasks, result, retry, submit
from tests.tasks import (
    blank_png,
    claim,
    history,
    make_task,
    make_user,
    open_promises,
    read,
)

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def owner(backend: pytest.MonkeyPatch) -> UUID:
    return run(make_user())


def submit_raw(owner: UUID, body: bytes) -> Answer:
    headers = {"X-User-Id": str(owner), "Content-Type": "application/json"}
    request = {"body": body, "headers": headers, "source_ip": "127.0.0.1"}
    return call(functions.tasks.create.handler, "POST", "/api/v1/tasks", **request)


def test_a_submitted_task_is_queued_and_its_doorbell_rings(owner, redis_server):
    answer = submit(owner, {"prompt": "a lamp", "parameters": {"width": 64, "seed": 7}})

    task = answer.json
    assert answer.status == 202
    assert answer.headers["location"] == f"/api/v1/tasks/{task['id']}"
    assert task["status"] == "queued"
    assert task["parameters"] == {"width": 64, "height": 512, "style": "painting", "seed": 7}
    assert task["ws_url"] == f"ws://localhost:8000/ws/tasks/{task['id']}"
    doorbells = Redis.from_url(f"{redis_server}/1").hvals("dramatiq:generate.msgs")
    assert [json.loads(each)["kwargs"] for each in doorbells] == [{"task_id": task["id"]}]
    assert run(read(UUID(task["id"]))).published_sequence == 1


def test_that_a_doorbell_rang_is_noted_with_the_next_task(owner):
    first = UUID(submit(owner).json["id"])
    unsure = run(open_promises(first))
    second = UUID(submit(owner).json["id"])

    assert len(unsure) == 1
    assert run(open_promises(first)) == []
    assert len(run(open_promises(second))) == 1


def test_a_seed_is_drawn_where_none_was_given(owner):
    seeds = {submit(owner).json["parameters"]["seed"] for _ in range(2)}

    assert len(seeds) == 2
    assert all(0 <= seed < 2**53 for seed in seeds)
    assert max(seeds) > 2**32


def test_the_largest_seed_that_every_client_reads_exactly_is_accepted(owner):
    body = {"prompt": "a lamp", "parameters": {"seed": 2**53 - 1}}

    assert submit(owner, body).json["parameters"]["seed"] == 2**53 - 1


def test_a_larger_seed_of_an_earlier_version_is_shown_as_text_and_repeated_as_it_was(owner):
    parameters = {"width": 64, "height": 64, "style": "ink", "seed": 2**63 - 1}
    task_id = str(run(make_task(owner, prompt="bell \x07", parameters=parameters)).id)

    shown = [get(owner, task_id), list_tasks(owner), cancel(owner, task_id)]
    again = retry(owner, task_id)

    in_text = b'"seed":"9223372036854775807"'
    assert all(in_text in answer.body for answer in [*shown, again])
    assert run(read(UUID(again.json["id"]))).parameters == parameters


def test_a_task_is_accepted_while_redis_and_the_broker_are_unavailable(owner, backend):
    backend.setenv("QUEUE_URL", "redis://127.0.0.1:1/1")
    backend.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    answer = submit(owner)

    assert answer.status == 202
    task_id = UUID(answer.json["id"])
    assert len(run(open_promises(task_id))) == 1


def test_every_log_line_of_a_submission_names_its_request(owner, backend, caplog):
    caplog.handler.addFilter(logs.Redaction())
    backend.setenv("QUEUE_URL", "redis://127.0.0.1:1/1")

    with caplog.at_level(logging.INFO, logger="shared"):
        answer = submit(owner)

    request_id = answer.headers["x-request-id"]
    assert {"A task was submitted", "A task was not dispatched"} <= set(caplog.messages)
    assert {vars(record)["request_id"] for record in caplog.records} == {request_id}


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": " \n "}, "prompt"),
        ({"prompt": "x" * 2001}, "prompt"),
        ({"prompt": "🏮" * 2001}, "prompt"),
        ({"prompt": "\u200b\u200b"}, "prompt"),
        ({"prompt": "a \u202eboat"}, "prompt"),
        ({"prompt": "bell \x07"}, "prompt"),
        ({"prompt": "escape \x1b[31m"}, "prompt"),
        ({"prompt": "NUL \x00"}, "prompt"),
        ({"prompt": "half a lamp \ud83c"}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"prompt": ["a lamp"]}, "prompt"),
        ({"prompt": "a lamp", "parameters": []}, "parameters"),
        ({"prompt": "a lamp", "parameters": None}, "parameters"),
        ({"prompt": "a lamp", "parameters": {"width": 63}}, "parameters.width"),
        ({"prompt": "a lamp", "parameters": {"width": -64}}, "parameters.width"),
        ({"prompt": "a lamp", "parameters": {"width": 10**9}}, "parameters.width"),
        ({"prompt": "a lamp", "parameters": {"width": "64"}}, "parameters.width"),
        ({"prompt": "a lamp", "parameters": {"width": 64.0}}, "parameters.width"),
        ({"prompt": "a lamp", "parameters": {"width": True}}, "parameters.width"),
        ({"prompt": "a lamp", "parameters": {"style": "baroque"}}, "parameters.style"),
        ({"prompt": "a lamp", "parameters": {"seed": -1}}, "parameters.seed"),
        ({"prompt": "a lamp", "parameters": {"seed": 2**53}}, "parameters.seed"),
        ({"prompt": "a lamp", "parameters": {"seed": str(2**53)}}, "parameters.seed"),
        ({"prompt": "a lamp", "parameters": {"steps": 5}}, "parameters.steps"),
        case("H15", {"prompt": "a lamp", "user_id": str(UUID(int=1))}, "user_id"),
    ],
)
@pytest.mark.stream_case(61)
def test_an_invalid_task_is_refused_with_the_place_of_the_mistake(owner, body, place):
    answer = submit(owner, body)

    assert answer.status == 422
    assert answer.json["code"] == "unprocessable"
    assert [".".join(error["loc"]) for error in answer.json["errors"]] == [f"body.{place}"]
    assert list_tasks(owner).json["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"prompt": "a lamp", "parameters": {"width": NaN}}',
        b'{"prompt": "a lamp", "parameters": {"width": Infinity}}',
        b'{"prompt": "a lamp", "prompt": "another"}',
        b'{"prompt": "a l\xffmp"}',
        b'{"prompt": "a lamp \xc0\xaf"}',
        b'{"prompt": "a lamp \xed\xa0\x80"}',
        b'\xef\xbb\xbf{"prompt": "a lamp"}',
        b'{"prompt": "a lamp", "parameters": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"prompt": "a lamp", "parameters": ' + b"[" * 150 + b"]" * 150 + b"}",
    ],
)
@pytest.mark.stream_case(61)
def test_a_body_that_is_no_json_creates_no_task(owner, body):
    answer = submit_raw(owner, body)

    assert (answer.status, answer.json["code"]) == (400, "malformed_json")
    assert list_tasks(owner).json["items"] == []


@pytest.mark.stream_case(61)
def test_a_body_that_is_too_long_creates_no_task(owner):
    for filling in (b"x" * 2**20, b"x" * 17_000, rb"\u0041" * 9000, b" " * 17_000):
        answer = submit_raw(owner, b'{"prompt": "' + filling + b'"}')

        assert (answer.status, answer.json["code"]) == (413, "payload_too_large")
    assert list_tasks(owner).json["items"] == []


@pytest.mark.parametrize(
    "prompt",
    ["🏮", "مصباح", "two\nlines", "a list:\ta boat\r\nat night", "x" * 2000, "🏮" * 2000],
)
@pytest.mark.stream_case(61)
def test_a_prompt_may_be_in_any_script(owner, prompt):
    assert submit(owner, {"prompt": prompt}).json["prompt"] == prompt


def test_repeating_a_request_with_its_key_gives_the_same_task(owner):
    first = submit(owner, headers={"Idempotency-Key": "a-key"})

    again = submit(owner, headers={"Idempotency-Key": '"a-key"'})

    assert (again.status, again.json) == (202, first.json)
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert len(list_tasks(owner).json["items"]) == 1


@pytest.mark.stream_case(56, 57)
def test_a_key_belongs_to_one_request_of_one_user(owner):
    first = submit(owner, headers={"Idempotency-Key": "k"})

    other_body = submit(owner, {"prompt": "another"}, headers={"Idempotency-Key": "k"})
    other_user = submit(run(make_user()), headers={"Idempotency-Key": "k"})

    assert (other_body.status, other_body.json["code"]) == (422, "idempotency_key_reused")
    assert other_user.status == 202
    assert other_user.json["id"] != first.json["id"]


@pytest.mark.parametrize(
    "key", ["", "   ", '""', '"open', "x" * 256, "caf\u00e9", "tab\tbed", "one,two", "two words"]
)
@pytest.mark.stream_case(58)
def test_an_invalid_key_is_refused(owner, key):
    answer = submit(owner, headers={"Idempotency-Key": key})

    assert (answer.status, answer.json["code"]) == (400, "invalid_idempotency_key")


def test_an_account_that_was_just_closed_creates_no_task():
    async def scenario() -> None:
        owner = await make_user()
        async with transaction() as session:
            await session.execute(
                update(User).where(User.id == owner).values(deleted_at=datetime.now(UTC))
            )
        await TaskService(owner).create(TaskCreate(prompt="a lamp"), idempotency_key=None)

    with pytest.raises(InvalidToken):
        run(scenario())


@pytest.mark.stream_case(55)
def test_only_one_of_several_concurrent_requests_with_one_key_creates_the_task(postgresql_backend):
    async def submit_all() -> list[Any]:
        tasks = TaskService(await make_user())
        new = TaskCreate(prompt="a lamp")
        return await asyncio.gather(*(tasks.create(new, idempotency_key="k") for _ in range(20)))

    accepted = run(submit_all())

    assert len({answer.body["id"] for answer in accepted}) == 1
    assert sum(not answer.replayed for answer in accepted) == 1


@pytest.mark.case("H2", "H14")
def test_another_user_finds_no_task(owner):
    task_id = submit(owner).json["id"]
    stranger = run(make_user())

    answers = [
        asked(who, which)
        for asked in (get, cancel, result)
        for who, which in ((stranger, task_id), (owner, uuid4()))
    ]

    assert {(answer.status, answer.json["code"]) for answer in answers} == {(404, "task_not_found")}


def test_tasks_are_shown_only_to_signed_in_users():
    handlers = [
        (functions.tasks.list.handler, "GET", "/api/v1/tasks"),
        (functions.tasks.get.handler, "GET", f"/api/v1/tasks/{uuid4()}"),
        (functions.tasks.result.handler, "GET", f"/api/v1/tasks/{uuid4()}/result"),
        (functions.tasks.cancel.handler, "POST", f"/api/v1/tasks/{uuid4()}/cancel"),
    ]

    assert {call(*handler).status for handler in handlers} == {401}


@pytest.mark.stream_case(30)
def test_a_known_version_of_a_task_is_not_sent_again(owner):
    first = get(owner, submit(owner).json["id"])

    again = get(owner, first.json["id"], headers={"If-None-Match": first.headers["etag"]})
    cancel(owner, first.json["id"])
    changed = get(owner, first.json["id"], headers={"If-None-Match": first.headers["etag"]})

    assert (again.status, again.body) == (304, b"")
    assert (changed.status, changed.json["status"]) == (200, "cancelled")


@pytest.mark.stream_case(50, 53)
def test_a_waiting_task_is_cancelled_at_once_and_a_second_cancel_has_the_same_effect(owner):
    task_id = submit(owner).json["id"]

    first, again = cancel(owner, task_id), cancel(owner, task_id)

    assert (first.status, first.json["status"]) == (200, "cancelled")
    assert (again.status, again.json) == (200, first.json)
    assert len(run(history(UUID(task_id)))) == 2
    assert run(read(UUID(task_id))).finished_at is not None  # the sweep prunes by it


def test_a_running_task_is_asked_to_stop(owner):
    task = run(make_task(owner))
    run(claim(task))

    answer = cancel(owner, task.id)

    assert (answer.json["status"], answer.json["cancel_requested"]) == ("processing", True)


@pytest.mark.stream_case(53)
def test_a_finished_task_cannot_be_cancelled(owner):
    task = run(make_task(owner))
    complete(task.id)

    answer = cancel(owner, task.id)

    assert (answer.status, answer.json["code"]) == (409, "task_finished")
    assert answer.json["task"]["status"] == "completed"


def test_the_result_is_a_link_to_the_picture(owner, object_store):
    task = run(make_task(owner))
    complete(task.id)

    answer = result(owner, task.id)

    assert answer.status == 307
    assert answer.headers["location"].startswith(f"{object_store}/results/tasks/{task.id}/1.png?")
    fetched = httpx.get(answer.headers["location"])
    assert fetched.content == blank_png()
    assert fetched.headers["content-type"] == "image/png"
    assert get(owner, task.id).json["result"]["url"] == f"/api/v1/tasks/{task.id}/result"


def thumbnail(owner: UUID, task_id: UUID, width: object) -> Answer:
    path = f"/api/v1/tasks/{task_id}/thumbnails/{width}"
    return ask(functions.tasks.thumbnail.handler, "GET", path, owner)


def test_a_thumbnail_is_kept_by_the_browser_of_its_owner_alone(owner, object_store):
    task = run(make_task(owner))
    complete(task.id, thumbnails={320: b"small", 640: b"larger"})

    listed = get(owner, task.id).json["result"]["thumbnails"]
    answers = [ask(functions.tasks.thumbnail.handler, "GET", each["url"], owner) for each in listed]

    assert [each["width"] for each in listed] == [320, 640]
    assert [answer.body for answer in answers] == [b"small", b"larger"]
    assert answers[0].headers["content-type"] == "image/webp"
    assert answers[0].headers["cache-control"] == "private, max-age=31536000, immutable"
    assert thumbnail(run(make_user()), task.id, 320).json["code"] == "task_not_found"
    assert call(functions.tasks.thumbnail.handler, "GET", listed[0]["url"]).status == 401
    assert [thumbnail(owner, task.id, each).status for each in (321, -1, "x")] == [404, 404, 422]


def test_a_task_without_pictures_has_no_thumbnail(owner, object_store):
    waits, old = run(make_task(owner)), run(make_task(owner))
    complete(old.id)

    assert thumbnail(owner, waits.id, 320).json["code"] == "task_not_finished"
    assert thumbnail(owner, old.id, 320).status == 404
    assert get(owner, old.id).json["result"]["thumbnails"] == []


def test_the_link_is_signed_for_the_public_address(owner, backend):
    backend.setenv("S3_PUBLIC_ENDPOINT_URL", "https://pictures.example.com")
    task = run(make_task(owner))
    complete(task.id)

    assert result(owner, task.id).headers["location"].startswith("https://pictures.example.com/")


@pytest.mark.case("H14")
def test_an_unfinished_task_has_no_result(owner):
    task_id = submit(owner).json["id"]

    waiting = result(owner, task_id)
    cancel(owner, task_id)
    cancelled = result(owner, task_id)

    assert (waiting.status, waiting.json["code"]) == (409, "task_not_finished")
    assert (cancelled.status, cancelled.json["code"]) == (404, "not_found")


def test_pages_of_the_list_miss_and_repeat_nothing(owner):
    at_once = database_now()
    made = {str(run(make_task(owner, created_at=at_once)).id) for _ in range(3)}
    made |= {str(run(make_task(owner)).id) for _ in range(4)}
    run(make_task())

    listed, cursor, query = [], "", {"limit": "2"}
    while cursor is not None:
        page = list_tasks(owner, **query).json
        listed += [task["id"] for task in page["items"]]
        cursor = page["next_cursor"]
        query = {"limit": "2", "cursor": cursor}

    assert len(listed) == 7
    assert set(listed) == made
    newest_first = [list_tasks(owner).json["items"][n]["created_at"] for n in range(7)]
    assert newest_first == sorted(newest_first, reverse=True)


def test_the_list_is_filtered_by_status(owner):
    submit(owner)
    cancelled = submit(owner).json["id"]
    cancel(owner, cancelled)

    assert [task["id"] for task in list_tasks(owner, status="cancelled").json["items"]] == [
        cancelled
    ]


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "101"}, {"status": "done"}])
def test_the_size_of_a_page_is_limited(owner, query):
    assert list_tasks(owner, **query).status == 422
