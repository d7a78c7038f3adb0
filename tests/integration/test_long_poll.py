import asyncio
import time
from collections.abc import Awaitable, Coroutine
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from shared.clients.redis_client import client
from shared.database import transaction
from shared.engine import transitions
from shared.engine.broadcast import broadcaster
from shared.errors import TaskNotFound, TooManyPolls, Unavailable
from shared.models.task import Task, TaskState
from shared.models.user import Plan
from shared.plans import PLANS
from shared.process.event_loop import run
from shared.schemas.task import TaskRead
from shared.services import long_poll
from shared.services.long_poll import LOOK_SECONDS, LongPoll
from shared.services.tasks import TaskService
from shared.stream.notices import Notices
from shared.stream.redis_keys import channel
from shared.stream.waiting_requests import MARGIN_SECONDS, waiting_requests
from tests.http import Answer
from tests.task_functions import cancel, get, submit
from tests.tasks import claim, make_task, make_user

pytestmark = pytest.mark.usefixtures("backend")

SOON_SECONDS = LOOK_SECONDS  # an answer that comes sooner was not found by polling
LONG_SECONDS = 20


@pytest.fixture
def owner(backend: pytest.MonkeyPatch) -> UUID:
    return run(make_user())


async def begin(task: Task, *, tell: bool = True) -> Task:
    """Let a worker begin the task."""
    running = await claim(task)
    if tell:
        await broadcaster().publish(running)
    return running


async def subscribed(task: Task) -> None:
    """Wait until somebody has subscribed to the task's channel."""
    name = channel(task.id)
    async with asyncio.timeout(5):
        while (await client().pubsub_numsub(name))[0][1] != 1:
            await asyncio.sleep(0.005)


async def timed(reading: Awaitable[TaskState]) -> tuple[TaskState, float]:
    started = time.monotonic()
    return await reading, time.monotonic() - started


def poll(task: Task, **known: Any) -> LongPoll:
    return LongPoll(task.user_id, task.id, **known)


@pytest.mark.stream_case(29)
def test_a_change_after_the_subscription_answers_at_once():
    async def story() -> tuple[TaskState, float]:
        task = await make_task()
        reading = asyncio.create_task(timed(poll(task, after=1).read(wait_seconds=LONG_SECONDS)))
        await subscribed(task)
        await begin(task)
        return await reading

    answer, seconds = run(story())

    assert (answer.sequence, answer.status) == (2, "processing")
    assert seconds < SOON_SECONDS


@pytest.mark.stream_case(29)
def test_a_change_just_before_the_subscription_begins_is_not_missed():
    class LateNotices(Notices):
        changed = False

        async def wait(self, seconds: float) -> None:
            if not self.changed:  # the task was read, and nobody has subscribed yet
                self.changed = True
                await begin(task)
            await super().wait(seconds)

    async def story() -> tuple[TaskState, float]:
        listening = poll(task, after=1, listen=lambda id: LateNotices(client(), id))
        return await timed(listening.read(wait_seconds=LONG_SECONDS))

    task = run(make_task())
    answer, seconds = run(story())

    assert answer.sequence == 2
    assert seconds < SOON_SECONDS


@pytest.fixture
def frequent_looks(backend: pytest.MonkeyPatch) -> None:
    backend.setattr(long_poll, "LOOK_SECONDS", 0.1)


@pytest.mark.stream_case(29)
def test_a_change_that_was_never_published_is_found_by_polling(frequent_looks):
    async def story() -> tuple[TaskState, float]:
        task = await make_task()
        reading = asyncio.create_task(timed(poll(task, after=1).read(wait_seconds=LONG_SECONDS)))
        await subscribed(task)
        await begin(task, tell=False)
        return await reading

    answer, seconds = run(story())

    assert answer.sequence == 2
    assert seconds < LONG_SECONDS / 2


@pytest.mark.stream_case(17)
@pytest.mark.parametrize("said", [b"", b"{", b"[]", b'{"sequence": "9"}', b"1e309", b"x" * 100_000])
def test_messages_on_the_channel_are_not_trusted(said):
    async def story() -> tuple[TaskState, float]:
        task = await make_task()
        reading = asyncio.create_task(timed(poll(task).read(wait_seconds=0.2)))
        await subscribed(task)
        await client().publish(channel(task.id), said)
        return await reading

    answer, seconds = run(story())

    assert answer.sequence == 1
    assert seconds >= 0.2


@pytest.mark.stream_case(18)
def test_a_killed_subscription_loses_nothing(redis_server):
    async def story() -> list[int]:
        task = await make_task()
        reading = asyncio.create_task(poll(task, after=1).read(wait_seconds=LONG_SECONDS))
        await subscribed(task)
        async with Redis.from_url(redis_server) as redis:
            assert await redis.client_kill_filter(_type="pubsub") == 1
        running = await begin(task)
        first = await reading
        reading = asyncio.create_task(
            poll(task, after=first.sequence).read(wait_seconds=LONG_SECONDS)
        )
        await subscribed(task)
        async with transaction() as session:
            cancelled = await transitions.cancel(session, running.id, owner_id=running.user_id)
        assert cancelled is not None
        await broadcaster().publish(cancelled)
        return [first.sequence, (await reading).sequence]

    assert run(story()) == [2, 3]


def test_without_redis_the_task_is_polled(backend, frequent_looks):
    backend.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    async def story() -> tuple[TaskState, float]:
        task = await make_task()
        reading = asyncio.create_task(timed(poll(task, after=1).read(wait_seconds=LONG_SECONDS)))
        await begin(task, tell=False)
        return await reading

    answer, seconds = run(story())

    assert answer.sequence == 2
    assert seconds < LONG_SECONDS / 2


def test_the_unchanged_task_is_returned_when_the_time_is_over():
    async def story() -> tuple[TaskState, float]:
        task = await make_task()
        return await timed(poll(task).read(wait_seconds=0.3))

    answer, seconds = run(story())

    assert answer.sequence == 1
    assert 0.3 <= seconds < LOOK_SECONDS


@pytest.fixture
def impatient_gateway(backend: pytest.MonkeyPatch) -> None:
    backend.setattr(long_poll, "MAX_WAIT_SECONDS", 0.3)


def test_a_long_poll_never_waits_longer_than_the_gateway(owner, impatient_gateway):
    task_id = submit(owner).json["id"]

    started = time.monotonic()
    answer = get(owner, task_id, query={"after": "1", "wait": str(10**9)})

    assert (answer.status, answer.json["sequence"]) == (200, 1)
    assert 0.3 <= time.monotonic() - started < LONG_SECONDS


def test_a_request_that_waited_for_its_environment_waits_so_much_less_for_the_task(owner):
    task_id = submit(owner).json["id"]
    known = {"after": "1", "wait": "25"}

    started = time.monotonic()
    answer = get(owner, task_id, query=known, held_seconds=long_poll.MAX_WAIT_SECONDS)

    assert (answer.status, answer.json["sequence"]) == (200, 1)
    assert time.monotonic() - started < LONG_SECONDS


@pytest.mark.parametrize("after", [0, 5])
def test_a_client_that_knows_another_state_is_answered_at_once(owner, after):
    task_id = submit(owner).json["id"]

    started = time.monotonic()
    answer = get(owner, task_id, query={"after": str(after), "wait": "20"})

    assert (answer.status, answer.json["sequence"]) == (200, 1)
    assert time.monotonic() - started < SOON_SECONDS


def test_a_task_that_has_ended_is_not_waited_for(owner):
    task_id = submit(owner).json["id"]
    cancel(owner, task_id)

    started = time.monotonic()
    answer = get(owner, task_id, query={"after": "2", "wait": "20"})

    assert (answer.status, answer.json["status"]) == (200, "cancelled")
    assert time.monotonic() - started < SOON_SECONDS


def test_a_task_deleted_meanwhile_is_not_found():
    async def story() -> None:
        task = await make_task()
        reading = asyncio.create_task(poll(task).read(wait_seconds=LONG_SECONDS))
        await subscribed(task)
        owner = TaskService(task.user_id)
        await owner.cancel(task.id)
        assert (await reading).status == "cancelled"
        await owner.delete(task.id)
        await poll(task).read(wait_seconds=LONG_SECONDS)

    with pytest.raises(TaskNotFound):
        run(story())


def test_there_is_no_wait_for_somebody_elses_task():
    async def story() -> None:
        task = await make_task()
        await LongPoll(uuid4(), task.id).read(wait_seconds=LONG_SECONDS)

    with pytest.raises(TaskNotFound):
        run(story())


def test_a_preference_is_honoured_and_confirmed(owner, impatient_gateway):
    task_id = submit(owner).json["id"]

    preferred = get(owner, task_id, headers={"Prefer": "respond-async, wait=1"})
    plain = get(owner, task_id, query={"wait": "1"})

    assert (preferred.status, preferred.headers["preference-applied"]) == (200, "wait")
    assert "preference-applied" not in plain.headers


@pytest.mark.stream_case(30)
def test_a_known_version_is_waited_on_and_not_sent_again(owner, impatient_gateway):
    first = get(owner, submit(owner).json["id"])

    started = time.monotonic()
    headers = {"If-None-Match": first.headers["etag"], "Prefer": "wait=1"}
    again = get(owner, first.json["id"], headers=headers)

    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert again.headers["preference-applied"] == "wait"
    assert time.monotonic() - started >= 0.3


@pytest.mark.stream_case(30)
@pytest.mark.parametrize("held", ['"0.1"', '"1.0"', 'W/"7.1"', "nonsense"])
def test_a_client_with_another_version_gets_the_current_one_at_once(owner, held):
    task_id = submit(owner).json["id"]

    started = time.monotonic()
    answer = get(owner, task_id, headers={"If-None-Match": held, "Prefer": "wait=20"})

    assert (answer.status, answer.json["sequence"]) == (200, 1)
    assert time.monotonic() - started < SOON_SECONDS


@pytest.mark.stream_case(30)
def test_the_version_changes_with_each_state():
    async def story() -> list[str]:
        task = await make_task()
        return [TaskRead.of(state).etag for state in (task, await claim(task))]

    assert len(set(run(story()))) == 2


@pytest.mark.parametrize(
    "query",
    [
        {"after": "-1"},
        {"after": "1.5"},
        {"after": "abc"},
        {"after": str(2**63)},
        {"after": ""},
        {"wait": "-1"},
        {"wait": "soon"},
    ],
)
def test_an_invalid_sequence_or_time_is_refused(owner, query):
    answer = get(owner, submit(owner).json["id"], query=query)

    assert answer.status == 422
    assert answer.json["errors"][0]["loc"] == ["query", next(iter(query))]


def crowd(owner: UUID, number: int) -> Coroutine[Any, Any, None]:
    """Other requests of a user that wait."""

    async def enter() -> None:
        for _ in range(number):
            await waiting_requests().enter(owner, LONG_SECONDS, most_of_user=99, most_of_all=99)

    return enter()


def wait_for_news(owner: UUID, task_id: str) -> Answer:
    return get(owner, task_id, query={"after": "1", "wait": "20"})


def test_a_user_may_wait_as_often_at_once_as_the_plan_allows(owner, impatient_gateway):
    limit = PLANS[Plan.FREE].polls_at_once
    task_id = submit(owner).json["id"]
    run(crowd(owner, limit - 1))

    assert [wait_for_news(owner, task_id).status for _ in range(2)] == [200, 200]
    run(crowd(owner, 1))
    refused = wait_for_news(owner, task_id)

    assert (refused.status, refused.json["code"], refused.json["limit"]) == (
        429,
        "too_many_polls",
        limit,
    )
    assert refused.headers["retry-after"] == "5"
    assert get(owner, task_id).status == 200


def test_requests_that_wait_never_take_all_processes(backend, owner, impatient_gateway):
    backend.setenv("TASK_POLLS_AT_ONCE", "3")
    task_id = submit(owner).json["id"]
    run(crowd(uuid4(), 3))

    refused = wait_for_news(owner, task_id)

    assert (refused.status, refused.json["code"]) == (503, "unavailable")
    assert "live stream" in refused.json["detail"]
    assert get(owner, task_id).status == 200


def test_a_request_that_waits_briefly_makes_nobody_forget_those_that_wait_longer(owner):
    """Otherwise one user holds every process, with a short poll now and then."""

    async def wait_again(user_id: UUID, *, most_of_user: int, most_of_all: int) -> None:
        waiting, most = waiting_requests(), {"most_of_user": 9, "most_of_all": 9}
        await waiting.enter(owner, LONG_SECONDS, **most)
        await waiting.enter(owner, -MARGIN_SECONDS, **most)  # its time is over
        await waiting.enter(
            user_id, LONG_SECONDS, most_of_user=most_of_user, most_of_all=most_of_all
        )

    with pytest.raises(TooManyPolls):
        run(wait_again(owner, most_of_user=1, most_of_all=9))
    with pytest.raises(Unavailable):
        run(wait_again(uuid4(), most_of_user=9, most_of_all=2))


def test_the_place_of_a_request_whose_process_died_is_free_again(owner, impatient_gateway):
    async def died_long_ago() -> None:
        for key in ("polls", f"polls:{{{owner}}}"):
            gone = {f"gone-{number}": time.time() - 1 for number in range(40)}
            await client().zadd(key, gone)

    task_id = submit(owner).json["id"]
    run(died_long_ago())

    assert wait_for_news(owner, task_id).status == 200


def test_without_redis_a_request_waits_briefly_as_nobody_counts_it(backend, owner):
    backend.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    backend.setattr(long_poll, "UNCOUNTED_SECONDS", 0.3)
    task_id = submit(owner).json["id"]

    started = time.monotonic()
    answer = wait_for_news(owner, task_id)

    assert (answer.status, answer.json["sequence"]) == (200, 1)
    assert 0.3 <= time.monotonic() - started < SOON_SECONDS
