"""A server takes questions and gives no answer: what needs it fails soon, and the rest goes on.

tests/e2e/test_hanging_servers.py stops whole servers under the whole product.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.database import transaction
from shared.dependencies import one_request
from shared.process.event_loop import run
from shared.queues.doorbells import QueueUnavailable
from shared.queues.registry import queue
from shared.singletons import forget_singletons
from tests.http import Answer
from tests.proxy import Proxy
from tests.services import delete_queues
from tests.task_functions import complete, delete, submit
from tests.tasks import make_user
from tests.waiting import until

ANSWER_SECONDS = 2.0
AT_ONCE_SECONDS = 0.4
HEAL_SECONDS = 5.0


@contextmanager
def proxy_to(address: str) -> Iterator[Proxy]:
    port = urlsplit(address).port
    assert port
    with Proxy(port) as proxy:
        yield proxy


@pytest.fixture
def broker(backend: pytest.MonkeyPatch, rabbitmq: str) -> Iterator[Proxy]:
    delete_queues(rabbitmq, "generate")
    with proxy_to(rabbitmq) as proxy:
        backend.setenv("QUEUE_URL", f"amqp://guest:guest@127.0.0.1:{proxy.port}")
        yield proxy
        queue().close()  # type: ignore[attr-defined]


@pytest.fixture
def storage(backend: pytest.MonkeyPatch, object_store: str) -> Iterator[Proxy]:
    with proxy_to(object_store) as proxy:
        backend.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.port}")
        yield proxy


def timed(ask: Callable[[], Answer]) -> tuple[int, float]:
    began = time.monotonic()
    return ask().status, time.monotonic() - began


def broker_answers() -> bool:
    async def ask() -> None:
        with one_request():
            await queue().check()

    try:
        run(ask())
    except QueueUnavailable:
        return False
    return True


def test_a_task_is_accepted_while_the_broker_gives_no_answer(broker):
    owner = run(make_user())
    assert submit(owner).status == 202  # and the connection is open

    broker.stand_still()
    first, second = (timed(lambda: submit(owner)) for _ in range(2))
    broker.go_on()
    went_on = time.monotonic()
    until(broker_answers)

    assert (first[0], first[1] < ANSWER_SECONDS) == (202, True)
    assert (second[0], second[1] < AT_ONCE_SECONDS) == (202, True)
    assert time.monotonic() - went_on < HEAL_SECONDS


def test_a_task_is_kept_while_the_storage_gives_no_answer(storage):
    owner = run(make_user())
    task_id = submit(owner).json["id"]
    complete(UUID(task_id))

    storage.stand_still()
    first, second = (timed(lambda: delete(owner, task_id)) for _ in range(2))
    storage.go_on()
    went_on = time.monotonic()
    until(lambda: delete(owner, task_id).status == 204)

    assert (first[0], first[1] < ANSWER_SECONDS) == (503, True)
    assert (second[0], second[1] < AT_ONCE_SECONDS) == (503, True)
    assert time.monotonic() - went_on < HEAL_SECONDS


def test_requests_that_wait_for_each_other_do_not_hold_it_against_the_server(postgresql_backend):
    postgresql_backend.setenv("DATABASE_POOL_SIZE", "1")
    forget_singletons()

    async def ask() -> None:
        with one_request():
            async with transaction() as session:
                await session.execute(text("SELECT pg_sleep(0.06)"))

    async def ask_at_once() -> None:
        await asyncio.gather(*(ask() for _ in range(30)))  # longer in sum than a request may take

    run(ask_at_once())
