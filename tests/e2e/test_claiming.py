"""A user with many tasks does not keep others waiting, whichever way doorbells ring."""

import asyncio
from typing import Any

import pytest

from tests.e2e.product import Person
from tests.e2e.queues import over_each_queue

BACKLOG = 5


def statuses(person: Person, tasks: list[dict[str, Any]]) -> list[str]:
    return [person.client.get(f"/tasks/{task['id']}").json()["status"] for task in tasks]


@over_each_queue
@pytest.mark.stream_case(47)
async def test_one_picture_is_painted_while_many_of_another_user_still_wait(ada, bob):
    many = [await asyncio.to_thread(ada.submit_slow, 2) for _ in range(BACKLOG)]
    one = await asyncio.to_thread(bob.submit, "a lamp", width=64, height=64)

    last = (await bob.watch(one["id"]))[-1]
    waiting = statuses(ada, many).count("queued")

    for task in many:
        ada.client.post(f"/tasks/{task['id']}/cancel")
    assert last["status"] == "completed"
    assert waiting > 0
