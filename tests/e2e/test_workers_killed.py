"""A worker that is killed in the middle of a task loses nothing."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import painters
from tests.e2e.product import (
    Person,
    Process,
    Product,
    kill,
    processes_of,
    running,
    sign_up,
    states,
)

QUICK = {"TASK_LEASE_SECONDS": "2", **painters.ENVIRONMENT}


def generate_worker(product: Product) -> Process:
    (worker,) = [each for each in processes_of(product) if "local.worker:generate" in each.command]
    return worker


async def frames_around_a_kill(person: Person) -> tuple[list[dict[str, Any]], float]:
    """Submit a long task and kill its worker while it runs. Returns all states, and the seconds
    until it ran again."""
    task = await asyncio.to_thread(person.submit_slow, 2)
    frames = []
    killed_at = again_at = 0.0
    async with person.socket(task["id"]) as socket:
        async for frame in states(socket):
            frames.append(frame)
            if not killed_at and frame["progress"] > 0:
                kill(generate_worker(person.product).pid)
                killed_at = time.monotonic()
            if frame["attempt"] == 2 and not again_at:
                again_at = time.monotonic()
    return frames, again_at - killed_at


@pytest.fixture(scope="module")
def quick_product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("quick") / "data", environment=QUICK) as product:
        yield product


@pytest.mark.stream_case(31)
async def test_a_killed_worker_is_replaced_and_the_task_completes(quick_product):
    with sign_up(quick_product) as person:
        frames, seconds = await frames_around_a_kill(person)

    assert frames[-1]["status"] == "completed"
    assert frames[-1]["attempt"] == 2
    assert [frame["terminal"] for frame in frames].count(True) == 1
    sequences = [frame["sequence"] for frame in frames]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    assert seconds <= 10


async def test_with_the_default_settings_a_killed_worker_is_replaced_within_20_seconds(ada):
    frames, seconds = await frames_around_a_kill(ada)

    assert (frames[-1]["status"], frames[-1]["attempt"]) == ("completed", 2)
    assert seconds <= 20
