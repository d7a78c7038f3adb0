"""Sockets and event streams that a process of the application holds itself."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from shared.process import metrics
from shared.stream.connections import Connections, Cursor
from shared.stream.native import audience as audiences
from shared.stream.native.audience import Audience
from shared.stream.native.subscription import Subscription
from shared.stream.native.watcher import CloseCode, Sent, Watcher
from shared.stream.redis_keys import REVIEWS, channel
from tests.integration.streaming.conftest import Stage
from tests.recorded import recording
from tests.watchers import connection

SECONDS = 30  # far more than anything here takes
NEVER = 3600.0

Open = Callable[..., Any]


@pytest.fixture
async def open_audience(stage: Stage, redis_server: str) -> AsyncIterator[Open]:
    """Starts the audience of one process; without arguments, only news wake it."""
    async with AsyncExitStack() as stack:

        async def start(*, heartbeat: float = NEVER, tick: float = NEVER) -> Audience:
            started = Audience(
                subscription=Subscription(Redis.from_url(redis_server), retry_seconds=0.05),
                connections=stage.connections,
                reader=stage.reader,
                heartbeat_seconds=heartbeat,
                tick_seconds=tick,
            )
            started.start()
            stack.push_async_callback(started.stop)
            return started

        yield start


@asynccontextmanager
async def watching(
    audience: Audience, stage: Stage, task: UUID, *, after: int | None = None, **fields: Any
) -> AsyncIterator[tuple[Watcher, AsyncIterator[Sent]]]:
    head = await stage.reader.task(task)
    assert head is not None
    held = connection(task, native=True, **{"user_id": head.user_id, **fields})
    assert await stage.connections.admit(held, per_user=20, per_task=20)
    async with (
        asyncio.timeout(SECONDS),
        audience.watching(held, Cursor(after=after, first=head.sequence)) as watcher,
    ):
        yield watcher, aiter(watcher.frames())


async def told(frames: AsyncIterator[Sent]) -> tuple[str, int | None]:
    frame = await anext(frames)
    return frame.kind, frame.sequence


async def publish(stage: Stage, task: UUID) -> None:
    await stage.redis.publish(channel(task), "news")


async def forever() -> None:
    await asyncio.Event().wait()


async def subscribers(stage: Stage, task: UUID) -> int:
    ((_, number),) = await stage.redis.pubsub_numsub(channel(task))
    return int(number)


async def until_subscribed(stage: Stage, task: UUID) -> None:
    while not await subscribers(stage, task):
        await asyncio.sleep(0.01)


async def test_a_message_on_the_channel_brings_every_update_in_order(stage, open_audience):
    task, audience = await stage.story.task(), await open_audience()

    async with watching(audience, stage, task) as (_, frames):
        assert await told(frames) == ("snapshot", 1)
        await until_subscribed(stage, task)
        await stage.story.progress(task)
        await stage.story.progress(task)
        await publish(stage, task)
        assert [await told(frames), await told(frames)] == [("update", 2), ("update", 3)]
        await stage.story.complete(task)
        await publish(stage, task)
        assert await told(frames) == ("update", 4)
        assert [frame async for frame in frames] == []


async def test_who_resumes_gets_what_was_missed_beside_those_who_have_it(stage, open_audience):
    task, audience = await stage.story.task(sequence=5), await open_audience()

    async with watching(audience, stage, task) as (_, first):
        assert await told(first) == ("snapshot", 5)
        async with watching(audience, stage, task, after=2) as (_, second):
            missed = [await told(second) for _ in range(4)]

    assert missed == [("snapshot", 2), ("update", 3), ("update", 4), ("update", 5)]


async def test_however_many_watch_there_is_one_subscription(stage, open_audience):
    task, audience = await stage.story.task(), await open_audience()

    async with AsyncExitStack() as stack:
        for _ in range(15):
            _, frames = await stack.enter_async_context(watching(audience, stage, task))
            await told(frames)
        await until_subscribed(stage, task)
        assert await subscribers(stage, task) == 1
        assert len(await stage.redis.client_list(_type="pubsub")) == 1
    async with asyncio.timeout(SECONDS):
        while await subscribers(stage, task):
            await asyncio.sleep(0.01)


async def test_a_lost_message_is_made_up_for_by_the_tick(stage, open_audience):
    task, audience = await stage.story.task(), await open_audience(tick=0.05)

    async with watching(audience, stage, task) as (_, frames):
        await told(frames)
        await until_subscribed(stage, task)
        await stage.story.progress(task)
        assert await told(frames) == ("update", 2)


async def test_a_broken_subscription_is_renewed_and_nothing_is_missed(stage, open_audience):
    task, audience = await stage.story.task(), await open_audience()

    async with watching(audience, stage, task) as (_, frames):
        await told(frames)
        await until_subscribed(stage, task)
        await stage.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await stage.story.progress(task)
        assert await told(frames) == ("update", 2)


async def test_without_redis_the_database_is_looked_at(stage):
    task = await stage.story.task()
    nobody = Subscription(Redis.from_url("redis://127.0.0.1:1/0"), retry_seconds=0.05)
    audience = Audience(
        subscription=nobody,
        connections=stage.connections,
        reader=stage.reader,
        heartbeat_seconds=NEVER,
        tick_seconds=NEVER,
    )
    audience.start()
    async with watching(audience, stage, task) as (_, frames):
        await told(frames)
        await stage.story.progress(task)
        assert await told(frames) == ("update", 2)
    await audience.stop()


async def test_only_the_first_frame_of_a_new_stream_is_timed(stage, open_audience):
    task, audience = await stage.story.task(), await open_audience()

    with recording() as records:
        async with (
            watching(audience, stage, task) as (_, new),
            watching(audience, stage, task, after=1) as (_, resumed),
        ):
            assert [await told(each) for each in (new, resumed)] == [("snapshot", 1)] * 2
            await stage.story.progress(task)
            await publish(stage, task)
            assert [await told(each) for each in (new, resumed)] == [("update", 2)] * 2

    assert len(records.values(metrics.TIME_TO_FIRST_FRAME)) == 1


async def test_a_silent_watcher_gets_heartbeats_with_its_sequence(stage, open_audience):
    task, audience = await stage.story.task(sequence=3), await open_audience(heartbeat=0.05)

    async with watching(audience, stage, task) as (watcher, frames):
        assert await told(frames) == ("snapshot", 3)
        assert [await told(frames), await told(frames)] == [("heartbeat", None)] * 2
        assert '"sequence":3' in watcher.heartbeat()


async def test_a_slow_watcher_holds_up_nobody_and_misses_nothing(stage, open_audience):
    task, audience = await stage.story.task(), await open_audience()

    async with (
        watching(audience, stage, task) as (_, slow),
        watching(audience, stage, task) as (_, quick),
    ):
        await told(slow)
        await told(quick)
        for sequence in range(2, 6):
            await stage.story.progress(task)
            await publish(stage, task)
            assert await told(quick) == ("update", sequence)
        assert [await told(slow) for _ in range(4)] == [("update", each) for each in range(2, 6)]


async def test_who_takes_nothing_for_long_is_given_up(stage, open_audience, monkeypatch):
    monkeypatch.setattr(audiences, "STALLED_SECONDS", 0.05)
    task, audience = await stage.story.task(), await open_audience(heartbeat=0.05)

    async def take_nothing(_: Sent) -> None:
        await forever()

    async with watching(audience, stage, task) as (watcher, _):
        code = await watcher.serve(take_nothing, forever())
    assert code is CloseCode.TRY_AGAIN_LATER


async def test_a_client_that_has_left_is_served_no_more(stage, open_audience):
    task, audience = await stage.story.task(), await open_audience()

    async def broken(_: Sent) -> None:
        raise ConnectionResetError

    async with watching(audience, stage, task) as (watcher, _):
        assert await watcher.serve(broken, forever()) is None
    async with watching(audience, stage, task) as (watcher, _):
        assert await watcher.serve(broken, asyncio.sleep(0)) is None


@pytest.mark.parametrize("how", ["message", "tick"])
async def test_the_end_of_a_session_ends_its_streams_and_no_others(stage, open_audience, how):
    user = await stage.story.user()
    session, other = await stage.story.session(user), await stage.story.session(user)
    task = await stage.story.task(user)
    audience = await open_audience(tick=0.05 if how == "tick" else NEVER)

    async with (
        watching(audience, stage, task, session_id=session, epoch=0) as (_, ended),
        watching(audience, stage, task, session_id=other, epoch=0) as (_, going_on),
    ):
        await told(ended)
        await told(going_on)
        await until_subscribed(stage, task)
        await stage.story.revoke(session)
        if how == "message":
            await stage.redis.publish(REVIEWS, str(user))
        last = [frame async for frame in ended]
        await stage.story.progress(task)
        await publish(stage, task)
        assert await told(going_on) == ("update", 2)

    assert [frame.kind for frame in last] == ["error"]
    assert "session_revoked" in last[0].text


async def test_a_stream_ends_with_its_token(stage, open_audience):
    user = await stage.story.user()
    fields = {"session_id": await stage.story.session(user), "epoch": 0}
    task, audience = await stage.story.task(user), await open_audience(heartbeat=0.2)

    async with watching(audience, stage, task, expires_at=int(time.time()), **fields) as (
        _,
        frames,
    ):
        last = [frame async for frame in frames][-1]

    assert (last.kind, "token_expired" in last.text) == ("error", True)


async def test_a_deleted_task_ends_its_streams(stage, open_audience):
    task, audience = await stage.story.task(), await open_audience()

    async with watching(audience, stage, task) as (_, frames):
        await told(frames)
        await until_subscribed(stage, task)
        await stage.story.delete_task(task)
        await publish(stage, task)
        (last,) = [frame async for frame in frames]

    assert "task_not_found" in last.text


async def test_a_process_that_ends_closes_its_streams_and_those_that_still_come(
    stage, open_audience
):
    task, audience = await stage.story.task(), await open_audience()

    async with watching(audience, stage, task) as (watcher, frames):
        await told(frames)
        audience.close()
        assert [frame async for frame in frames] == []
        assert watcher.closing is CloseCode.SERVICE_RESTART
        async with watching(audience, stage, task) as (late, frames):
            assert [frame async for frame in frames] == []
            assert late.closing is CloseCode.SERVICE_RESTART


async def test_streams_count_until_they_end_and_those_of_a_dead_process_soon_no_more(
    stage, redis, open_audience
):
    user = uuid4()
    connections = Connections(redis, ttl_seconds=7800, heartbeat_seconds=15, native_ttl_seconds=1)
    task, limits = uuid4(), {"per_user": 20, "per_task": 1}
    held, next_ = (connection(task, user_id=user, native=True) for _ in range(2))

    assert await connections.admit(held, **limits)
    assert not await connections.admit(next_, **limits)
    await connections.release(held)
    assert await connections.admit(next_, **limits)
    async with asyncio.timeout(SECONDS):
        while not await connections.admit(held, **limits):  # once nobody renews the other one
            await connections.renew([held])
            await asyncio.sleep(0.1)


async def test_the_tick_of_a_gateway_leaves_them_alone(stage: Stage):
    """They are not its to deliver to, nor to close."""
    user = await stage.story.user()
    session = await stage.story.session(user)
    task = await stage.story.task(user)
    held = connection(task, user_id=user, session_id=session, epoch=0, native=True)
    assert await stage.connections.admit(held, per_user=20, per_task=20)
    await stage.story.revoke(session)

    await stage.upkeep.review(user)
    await stage.upkeep.run()

    assert stage.doorbells.deliveries == []
    assert [each.id for each in await stage.connections.of_user(user)] == [held.id]
