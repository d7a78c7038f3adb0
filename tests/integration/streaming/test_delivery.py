import asyncio
import time
from uuid import UUID

import pytest

from shared.stream.delivery import DeliveryIncomplete
from shared.stream.delivery_lock import DeliveryLock, LockLost
from shared.stream.gateway import Overloaded
from tests.integration.streaming.conftest import Stage


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.stream_case(1)
async def test_a_new_watcher_gets_the_latest_state_first(stage: Stage):
    task = await stage.story.task(sequence=3)
    watcher = await stage.watch(task)

    await stage.deliver(task)

    [frame] = stage.gateway.frames[watcher]
    assert (frame["type"], frame["sequence"], frame["status"]) == ("snapshot", 3, "processing")
    assert (frame["prompt"], frame["terminal"]) == ("a lighthouse 💡", False)
    assert "resumed" not in frame
    assert frame["sent_at"].endswith("Z")


@pytest.mark.stream_case(3)
async def test_every_transition_follows_in_order(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.deliver(task)

    for _ in range(3):
        await stage.story.progress(task)
        await stage.deliver(task)

    assert stage.gateway.states(watcher) == [
        *(("snapshot", 1), ("update", 2), ("update", 3), ("update", 4))
    ]


@pytest.mark.stream_case(8)
async def test_lost_wake_ups_lose_no_update(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.deliver(task)

    for _ in range(5):
        await stage.story.progress(task)
    await stage.deliver(task)

    assert stage.gateway.sequences(watcher) == [1, 2, 3, 4, 5, 6]


@pytest.mark.stream_case(7)
async def test_a_wake_up_without_news_sends_nothing(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)

    for _ in range(3):
        await stage.deliver(task)

    assert stage.gateway.sequences(watcher) == [1]


async def test_a_finished_task_ends_the_socket_and_its_registration(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.deliver(task)

    await stage.story.complete(task)
    await stage.deliver(task)

    assert stage.gateway.frames[watcher][-1]["terminal"] is True
    assert watcher in stage.gateway.closed
    assert await stage.connections.cursors(task) == {}
    assert await stage.connections.ids() == []


async def test_a_watcher_who_leaves_during_a_replay_is_sent_no_more_of_it(stage: Stage):
    task = await stage.story.task(sequence=4)
    watcher = await stage.watch(task, after=1)
    post = stage.gateway.post

    async def post_and_leave(connection_id: str, text: str) -> None:
        await post(connection_id, text)
        await stage.connections.deregister(connection_id)

    stage.gateway.post = post_and_leave  # type: ignore[method-assign]

    await stage.deliver(task)

    assert stage.gateway.sequences(watcher) == [1]


@pytest.mark.stream_case(2)
async def test_a_watcher_who_comes_after_the_end_gets_the_end_and_is_closed(stage: Stage):
    task = await stage.story.task()
    await stage.story.complete(task)
    watcher = await stage.watch(task)

    await stage.deliver(task)

    assert stage.gateway.states(watcher) == [("snapshot", 2)]
    assert watcher in stage.gateway.closed


async def test_watchers_of_other_tasks_are_sent_nothing(stage: Stage):
    task, other = await stage.story.task(), await stage.story.task()
    watcher = await stage.watch(other)

    await stage.deliver(task)

    assert stage.gateway.frames[watcher] == []


async def test_a_late_watcher_joins_the_others(stage: Stage):
    task = await stage.story.task(sequence=2)
    early = await stage.watch(task)
    await stage.deliver(task)
    await stage.story.progress(task)
    late = await stage.watch(task)

    await stage.deliver(task)
    await stage.story.progress(task)
    await stage.deliver(task)

    assert stage.gateway.states(early) == [("snapshot", 2), ("update", 3), ("update", 4)]
    assert stage.gateway.states(late) == [("snapshot", 3), ("update", 4)]


async def test_a_deleted_task_ends_its_watchers_with_an_error(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.deliver(task)

    await stage.story.delete_task(task)
    await stage.deliver(task)

    assert stage.gateway.frames[watcher][-1]["code"] == "task_not_found"
    assert watcher in stage.gateway.closed


class TestGone:
    @pytest.mark.stream_case(65)
    async def test_a_socket_that_is_still_opening_is_tried_until_it_is_open(self, stage: Stage):
        task = await stage.story.task()
        watcher = await stage.watch(task, age_seconds=0)
        stage.gateway.open.remove(watcher)

        delivery = asyncio.create_task(stage.deliver(task))
        await asyncio.sleep(0.12)
        stage.gateway.open.add(watcher)
        await delivery

        assert stage.gateway.states(watcher) == [("snapshot", 1)]

    async def test_other_sockets_are_served_while_one_is_opening(self, stage: Stage, monkeypatch):
        monkeypatch.setattr("shared.stream.delivery.FIRST_RETRY_SECONDS", 60)
        task = await stage.story.task()
        opening, watcher = await stage.watch(task, age_seconds=0), await stage.watch(task)
        stage.gateway.open.remove(opening)
        delivery = asyncio.create_task(stage.deliver(task))

        async def until_told(sequence: int) -> None:
            async with stage.gateway.changed:
                await stage.gateway.changed.wait_for(
                    lambda: sequence in stage.gateway.sequences(watcher)
                )

        await until_told(1)
        await stage.story.progress(task)
        await stage.deliver(task)
        rung_at = time.monotonic()
        await until_told(2)
        waited = time.monotonic() - rung_at

        assert not delivery.done()
        assert waited < 30
        delivery.cancel()
        await asyncio.gather(delivery, return_exceptions=True)

    async def test_a_socket_that_never_opens_is_dropped(self, stage: Stage):
        task = await stage.story.task()
        watcher = await stage.watch(task, age_seconds=4.5)
        stage.gateway.open.remove(watcher)

        await stage.deliver(task)

        assert await stage.connections.find(watcher) is None

    async def test_a_gateway_whose_clock_is_ahead_delays_no_watcher(
        self, stage: Stage, monkeypatch
    ):
        monkeypatch.setattr("shared.stream.delivery.OPENING_SECONDS", 0.2)
        task = await stage.story.task()
        watcher = await stage.watch(task, age_seconds=-3600)
        stage.gateway.open.remove(watcher)

        await stage.deliver(task)

        assert await stage.connections.find(watcher) is None

    @pytest.mark.stream_case(65)
    async def test_an_old_socket_is_believed_to_be_gone(self, stage: Stage):
        task = await stage.story.task()
        gone, watcher = await stage.watch(task), await stage.watch(task)
        stage.gateway.open.remove(gone)

        await stage.deliver(task)

        assert list(await stage.connections.cursors(task)) == [watcher]
        assert await stage.connections.ids() == [watcher]

    async def test_a_young_socket_that_was_already_open_is_gone(self, stage: Stage):
        task = await stage.story.task()
        watcher = await stage.watch(task, age_seconds=0)
        await stage.deliver(task)
        stage.gateway.open.remove(watcher)

        await stage.story.progress(task)
        await stage.deliver(task)

        assert await stage.connections.find(watcher) is None

    async def test_a_cursor_whose_registration_expired_is_dropped(self, stage: Stage):
        task = await stage.story.task()
        watcher = await stage.watch(task)
        stage.gateway.open.remove(watcher)
        await stage.redis.delete(f"ws:conn:{{{watcher}}}")

        await stage.deliver(task)

        assert await stage.connections.cursors(task) == {}


class TestOverload:
    @pytest.mark.stream_case(66)
    async def test_a_refused_frame_is_sent_by_the_next_delivery_in_order(self, stage: Stage):
        task = await stage.story.task()
        refused, watcher = await stage.watch(task), await stage.watch(task)
        await stage.deliver(task)
        await stage.story.progress(task)
        await stage.story.progress(task)
        busy = {(refused, 3)}
        stage.gateway.before_post = lambda id, frame: (
            Overloaded("429") if (id, frame["sequence"]) in busy else None
        )

        with pytest.raises(DeliveryIncomplete):
            await stage.deliver(task)
        before = stage.gateway.sequences(refused)
        busy.clear()
        await stage.deliver(task)

        assert before == [1, 2]
        assert stage.gateway.sequences(refused) == [1, 2, 3]
        assert stage.gateway.sequences(watcher) == [1, 2, 3]

    async def test_a_socket_that_cannot_be_closed_is_closed_by_the_next(self, stage: Stage):
        task = await stage.story.task()
        watcher = await stage.watch(task)
        await stage.story.complete(task)
        close = stage.gateway.close

        async def refuse(connection_id: str) -> None:
            raise Overloaded

        stage.gateway.close = refuse  # type: ignore[method-assign]
        with pytest.raises(DeliveryIncomplete):
            await stage.deliver(task)
        stage.gateway.close = close  # type: ignore[method-assign]
        await stage.deliver(task)

        assert stage.gateway.sequences(watcher) == [1, 2]
        assert watcher in stage.gateway.closed


class TestKills:
    async def test_a_kill_between_post_and_cursor_repeats_one_frame_and_loses_none(
        self, stage: Stage
    ):
        task = await stage.story.task()
        watcher = await stage.watch(task)
        await stage.deliver(task)
        for _ in range(4):
            await stage.story.progress(task)

        def die_once(_id: str, frame: dict[str, object]) -> None:
            if frame["sequence"] == 3:
                stage.gateway.after_post = lambda _id, _frame: None
                raise Killed

        stage.gateway.after_post = die_once
        with pytest.raises(Killed):
            await stage.deliver(task)
        await stage.deliver(task)

        assert stage.gateway.sequences(watcher) == [1, 2, 3, 3, 4, 5]

    async def test_a_kill_after_the_first_frame_omits_nothing_when_it_is_sent_again(
        self, stage: Stage
    ):
        task = await stage.story.task(sequence=2)
        watcher = await stage.watch(task)

        def die_once(_id: str, _frame: dict[str, object]) -> None:
            stage.gateway.after_post = lambda _id, _frame: None
            raise Killed

        stage.gateway.after_post = die_once
        with pytest.raises(Killed):
            await stage.deliver(task)
        for _ in range(2):
            await stage.story.progress(task)
        await stage.deliver(task)

        assert stage.gateway.states(watcher) == [
            *(("snapshot", 2), ("snapshot", 2)),
            *(("update", 3), ("update", 4)),
        ]

    async def test_a_kill_after_the_terminal_frame_still_closes_the_socket(self, stage: Stage):
        task = await stage.story.task()
        watcher = await stage.watch(task)
        await stage.story.complete(task)
        await stage.deliver(task)
        stage.gateway.open.add(watcher)  # as if the process had died before it could close
        stage.gateway.closed.clear()
        await stage.watch(task, id=watcher)
        await stage.connections.advance(task, watcher, 2)

        await stage.deliver(task)

        assert watcher in stage.gateway.closed
        assert stage.gateway.sequences(watcher) == [1, 2]

    async def test_the_lock_of_a_dead_process_expires(self, stage: Stage):
        task = await stage.story.task()
        watcher = await stage.watch(task)
        await stage.redis.set(f"ws:lock:{{{task}}}", "a dead deliverer's", px=200)

        await stage.deliver(task)
        before = stage.gateway.sequences(watcher)
        await asyncio.sleep(0.25)
        await stage.deliver(task)

        assert before == []
        assert stage.gateway.sequences(watcher) == [1]


class TestLock:
    @pytest.mark.stream_case(4)
    async def test_a_deliverer_that_is_turned_away_makes_the_holder_look_again(self, stage: Stage):
        task = await stage.story.task()
        watcher = await stage.watch(task)
        rings: list[asyncio.Task[None]] = []

        def ring(_id: str, frame: dict[str, object]) -> None:
            if frame["sequence"] == 1:
                rings.append(asyncio.create_task(commit_and_ring()))

        async def commit_and_ring() -> None:
            await stage.story.progress(task)
            await stage.deliver(task)

        stage.gateway.after_post = ring
        await stage.deliver(task)
        await asyncio.gather(*rings)

        assert stage.gateway.sequences(watcher) == [1, 2]

    async def test_a_mark_is_never_missed_at_release(self, stage: Stage):
        task = await stage.story.task()
        holder, other = DeliveryLock(stage.redis, task), DeliveryLock(stage.redis, task)

        async with holder.hold() as held, other.hold() as also_held:
            first, second = await holder.release(), await holder.release()

        assert (held, also_held) == (True, False)
        assert (first, second) == (False, True)

    async def test_only_the_holder_releases_the_lock(self, stage: Stage):
        task = await stage.story.task()
        lock = DeliveryLock(stage.redis, task)

        async with lock.hold():
            await stage.redis.set(f"ws:lock:{{{task}}}", "somebody else's")
            released = await lock.release()

        assert released  # there is nothing left to let go of
        assert await stage.redis.get(f"ws:lock:{{{task}}}") == b"somebody else's"

    async def test_a_holder_that_stood_still_too_long_posts_nothing_more(
        self, stage: Stage, monkeypatch
    ):
        monkeypatch.setattr("shared.stream.delivery_lock.TTL_SECONDS", 0.1)
        task = await stage.story.task(sequence=3)
        watcher = await stage.watch(task, after=1)
        stage.gateway.after_post = lambda _id, _frame: time.sleep(0.15)

        with pytest.raises(LockLost):
            await stage.deliver(task)
        before = stage.gateway.sequences(watcher)
        stage.gateway.after_post = lambda _id, _frame: None
        await stage.deliver(task)

        assert before == [1]
        assert stage.gateway.sequences(watcher) == [1, 2, 3]

    async def test_the_lock_is_renewed_while_it_is_held(self, stage: Stage, monkeypatch):
        monkeypatch.setattr("shared.stream.delivery_lock.TTL_SECONDS", 0.3)
        monkeypatch.setattr("shared.stream.delivery_lock.RENEWAL_SECONDS", 0.1)
        task = await stage.story.task()
        lock, other = DeliveryLock(stage.redis, task), DeliveryLock(stage.redis, task)

        async with lock.hold():
            await asyncio.sleep(0.4)
            lock.check()
            async with other.hold() as also_held:
                assert not also_held


@pytest.mark.stream_case(6)
async def test_every_watcher_sees_every_state_in_a_storm_of_wake_ups(stage: Stage):
    tasks = [await stage.story.task() for _ in range(3)]
    watchers = {task: [await stage.watch(task) for _ in range(5)] for task in tasks}

    async def run(task: UUID) -> None:
        rings = []
        for number in range(30):
            await (stage.story.progress if number < 29 else stage.story.complete)(task)
            rings += [asyncio.create_task(stage.deliver(task)) for _ in range(number % 3 + 1)]
            if number == 10:
                watchers[task].append(await stage.watch(task, after=4))
                rings.append(asyncio.create_task(stage.deliver(task)))
        await asyncio.gather(*rings)

    await asyncio.gather(*(run(task) for task in tasks))

    for task in tasks:
        for watcher in watchers[task]:
            kind, first = stage.gateway.states(watcher)[0]
            assert kind == "snapshot"
            assert stage.gateway.sequences(watcher) == list(range(first, 32))
            assert watcher in stage.gateway.closed
    assert await stage.connections.ids() == []
