"""What many watchers of one task see, and what one watcher sees at an unlucky moment."""

import asyncio

import pytest

from shared.models.task_status import TaskStatus
from shared.process import metrics
from shared.stream.redis_keys import latest_key
from tests.integration.streaming.conftest import Stage
from tests.recorded import recording


@pytest.mark.stream_case(1)
@pytest.mark.parametrize("status", TaskStatus)
async def test_the_first_frame_is_the_snapshot_whatever_the_status(stage: Stage, status):
    task = await stage.story.task()
    await stage.story.change(task, status=status)
    watcher = await stage.watch(task)

    await stage.deliver(task)

    [frame] = stage.gateway.frames[watcher]
    assert frame["type"] == "snapshot"
    assert (frame["status"], frame["terminal"]) == (status, status.terminal)


async def test_only_the_first_frame_of_a_new_watcher_is_timed(stage: Stage):
    task = await stage.story.task()

    with recording() as records:
        for after in (None, 1):
            await stage.watch(task, after=after, age_seconds=3)
        await stage.deliver(task)
        await stage.story.progress(task)
        await stage.deliver(task)

    (seconds,) = records.values(metrics.TIME_TO_FIRST_FRAME)
    assert 3 <= seconds < 60


@pytest.mark.stream_case(5)
async def test_a_state_committed_before_the_first_frame_is_sent_follows_it_once(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.story.progress(task)

    await stage.deliver(task)  # for the watcher
    await stage.deliver(task)  # for the progress

    assert stage.gateway.states(watcher) == [("snapshot", 1), ("update", 2)]


@pytest.mark.stream_case(9)
async def test_a_tick_makes_up_for_a_lost_wake_up_at_the_end(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.deliver(task)
    await stage.story.complete(task)

    await stage.upkeep.run()
    for woken in stage.doorbells.deliveries:
        await stage.deliver(woken)

    assert stage.gateway.states(watcher) == [("snapshot", 1), ("update", 2)]
    assert watcher in stage.gateway.closed


@pytest.mark.stream_case(11)
async def test_watchers_miss_nothing_when_redis_loses_its_data(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.deliver(task)
    await stage.redis.delete(latest_key(task))
    await stage.story.progress(task)

    await stage.deliver(task)

    assert stage.gateway.sequences(watcher) == [1, 2]


@pytest.mark.stream_case(13)
async def test_a_slow_watcher_keeps_no_other_waiting(stage: Stage):
    task = await stage.story.task()
    slow, quick = await stage.watch(task), await stage.watch(task)
    hurry, post = asyncio.Event(), stage.gateway.post

    async def post_slowly(connection_id: str, text: str) -> None:
        if connection_id == slow:
            await hurry.wait()
        await post(connection_id, text)

    stage.gateway.post = post_slowly  # type: ignore[method-assign]
    delivery = asyncio.create_task(stage.deliver(task))
    async with asyncio.timeout(5), stage.gateway.changed:
        await stage.gateway.changed.wait_for(lambda: stage.gateway.frames[quick])
    seen_by_slow = list(stage.gateway.frames[slow])
    hurry.set()
    await delivery

    assert seen_by_slow == []
    assert stage.gateway.sequences(slow) == stage.gateway.sequences(quick) == [1]


@pytest.mark.stream_case(14)
async def test_a_thousand_watchers_all_get_the_end(stage: Stage):
    task = await stage.story.task()
    watchers = [await stage.watch(task) for _ in range(1000)]
    await stage.deliver(task)
    await stage.story.complete(task)

    await stage.deliver(task)

    expected = [("snapshot", 1), ("update", 2)]
    assert all(stage.gateway.states(watcher) == expected for watcher in watchers)
    assert stage.gateway.closed == set(watchers)
