import pytest

from tests.integration.streaming.conftest import Stage


@pytest.mark.parametrize(
    ("after", "sequences"), [(0, [1, 2, 3, 4]), (1, [1, 2, 3, 4]), (3, [3, 4]), (4, [4])]
)
@pytest.mark.stream_case(21, 22, 23)
async def test_events_after_the_known_sequence_are_replayed(stage: Stage, after, sequences):
    task = await stage.story.task(sequence=4)
    watcher = await stage.watch(task, after=after)

    await stage.deliver(task)

    snapshot, *updates = stage.gateway.frames[watcher]
    assert (snapshot["type"], snapshot["resumed"]) == ("snapshot", True)
    assert all(frame["type"] == "update" for frame in updates)
    assert stage.gateway.sequences(watcher) == sequences


@pytest.mark.stream_case(24)
async def test_a_resumption_from_a_future_sequence_begins_with_a_snapshot(stage: Stage):
    task = await stage.story.task(sequence=2)
    watcher = await stage.watch(task, after=9)

    await stage.deliver(task)
    await stage.story.progress(task)
    await stage.deliver(task)

    assert stage.gateway.states(watcher) == [("snapshot", 2), ("update", 3)]
    assert stage.gateway.frames[watcher][0]["resumed"] is False


@pytest.mark.parametrize("pruned", [2, 3])
@pytest.mark.stream_case(25)
async def test_a_resumption_from_pruned_events_begins_with_a_snapshot(stage: Stage, pruned):
    task = await stage.story.task(sequence=5)
    await stage.story.delete_event(task, pruned)
    watcher = await stage.watch(task, after=2)

    await stage.deliver(task)

    assert stage.gateway.states(watcher) == [("snapshot", 5)]
    assert stage.gateway.frames[watcher][0]["resumed"] is False


async def test_a_resumption_after_a_long_absence_begins_with_a_snapshot(stage: Stage, monkeypatch):
    monkeypatch.setattr("shared.stream.history.MAX_REPLAYED", 3)
    task = await stage.story.task(sequence=6)
    inside, outside = await stage.watch(task, after=3), await stage.watch(task, after=2)

    await stage.deliver(task)

    assert stage.gateway.sequences(inside) == [3, 4, 5, 6]
    assert stage.gateway.sequences(outside) == [6]


async def test_a_resumption_after_the_end_gets_the_rest_and_is_closed(stage: Stage):
    task = await stage.story.task(sequence=3)
    await stage.story.complete(task)
    behind, at_the_end = await stage.watch(task, after=2), await stage.watch(task, after=4)

    await stage.deliver(task)

    assert stage.gateway.sequences(behind) == [2, 3, 4]
    assert stage.gateway.sequences(at_the_end) == [4]
    assert {behind, at_the_end} <= stage.gateway.closed


@pytest.mark.stream_case(28)
async def test_resuming_twice_replays_nothing_twice(stage: Stage):
    task = await stage.story.task(sequence=3)
    first = await stage.watch(task, after=1)
    await stage.deliver(task)
    last_seen = stage.gateway.sequences(first)[-1]

    second = await stage.watch(task, after=last_seen)
    await stage.deliver(task)

    assert stage.gateway.states(second) == [("snapshot", 3)]


async def test_a_killed_replay_continues_where_it_stopped(stage: Stage):
    task = await stage.story.task(sequence=4)
    watcher = await stage.watch(task, after=1)
    await stage.connections.advance(task, watcher, 2)

    await stage.deliver(task)

    assert stage.gateway.states(watcher) == [("update", 3), ("update", 4)]


async def test_a_watcher_whose_missed_events_were_pruned_gets_a_new_snapshot(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.deliver(task)
    for _ in range(3):
        await stage.story.progress(task)
    await stage.story.delete_event(task, 2)

    await stage.deliver(task)

    assert stage.gateway.states(watcher) == [("snapshot", 1), ("snapshot", 4)]
