import asyncio
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from shared.models.user import UserStatus
from shared.security import api_keys
from shared.stream.connections import Cursor
from shared.stream.gateway import Overloaded
from tests.integration.streaming.conftest import Stage
from tests.watchers import connection


async def quiet(stage: Stage, *watchers: str) -> None:
    """Make each connection one that has long been silent."""
    await stage.redis.zadd("ws:hb", dict.fromkeys(watchers, 0))


@pytest.mark.stream_case(68)
async def test_without_watchers_nothing_happens(stage: Stage):
    await stage.upkeep.run()

    assert stage.doorbells.deliveries == []


@pytest.mark.stream_case(12)
async def test_a_silent_watcher_gets_a_heartbeat_with_its_sequence(stage: Stage):
    task = await stage.story.task(sequence=2)
    watcher = await stage.watch(task)
    await stage.deliver(task)
    await quiet(stage, watcher)

    await stage.upkeep.run()

    heartbeat = stage.gateway.frames[watcher][-1]
    assert (heartbeat["type"], heartbeat["task_id"], heartbeat["sequence"]) == (
        *("heartbeat", str(task), 2),
    )
    assert stage.doorbells.deliveries == []


@pytest.mark.parametrize(("due_in", "sent"), [(3, []), (2, ["heartbeat"])])
@pytest.mark.stream_case(12)
async def test_a_heartbeat_is_sent_by_the_tick_nearest_to_its_time(stage: Stage, due_in, sent):
    """Ticks come five seconds apart here."""
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.connections.advance(task, watcher, 1)
    await stage.redis.zadd("ws:hb", {watcher: (time.time() + due_in) * 1000})

    await stage.upkeep.run()

    assert [kind for kind, _ in stage.gateway.states(watcher)] == sent


@pytest.mark.stream_case(12)
async def test_a_watcher_that_was_just_sent_a_frame_gets_no_heartbeat(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await quiet(stage, watcher)
    await stage.deliver(task)

    await stage.upkeep.run()

    assert stage.gateway.states(watcher) == [("snapshot", 1)]


@pytest.mark.stream_case(68)
async def test_two_ticks_at_once_send_one_heartbeat(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.deliver(task)
    await quiet(stage, watcher)

    await asyncio.gather(stage.upkeep.run(), stage.upkeep.run())

    assert stage.gateway.states(watcher) == [("snapshot", 1), ("heartbeat", 1)]


async def test_a_lagging_watcher_gets_a_delivery_instead_of_a_heartbeat(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.deliver(task)
    await stage.story.progress(task)
    await quiet(stage, watcher)

    await stage.upkeep.run()

    assert stage.doorbells.deliveries == [task]
    assert stage.gateway.states(watcher) == [("snapshot", 1)]


async def test_a_watcher_that_was_never_sent_a_frame_gets_a_delivery(stage: Stage):
    task = await stage.story.task()
    await stage.watch(task)

    await stage.upkeep.run()

    assert stage.doorbells.deliveries == [task]


async def test_a_watcher_that_has_seen_the_end_is_closed_again(stage: Stage):
    task = await stage.story.task()
    await stage.story.complete(task)
    watcher = await stage.watch(task)
    await stage.connections.advance(task, watcher, 2)
    await quiet(stage, watcher)

    await stage.upkeep.run()

    assert stage.doorbells.deliveries == [task]
    assert stage.gateway.frames[watcher] == []


async def test_watchers_of_a_deleted_task_get_a_delivery(stage: Stage):
    task = await stage.story.task()
    await stage.watch(task)
    await stage.story.delete_task(task)

    await stage.upkeep.run()

    assert stage.doorbells.deliveries == [task]


async def test_a_dead_socket_is_forgotten(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.deliver(task)
    await quiet(stage, watcher)
    stage.gateway.open.clear()

    await stage.upkeep.run()

    assert await stage.connections.ids() == []
    assert await stage.connections.cursors(task) == {}


async def test_an_overloaded_gateway_costs_one_heartbeat_only(stage: Stage):
    task = await stage.story.task()
    refused, watcher = await stage.watch(task), await stage.watch(task)
    await stage.deliver(task)
    await quiet(stage, refused, watcher)
    stage.gateway.before_post = lambda id, _: Overloaded() if id == refused else None

    await stage.upkeep.run()

    assert stage.gateway.states(watcher)[-1] == ("heartbeat", 1)
    assert sorted(await stage.connections.ids()) == sorted([refused, watcher])


@pytest.mark.stream_case(67)
async def test_an_expired_registration_is_forgotten(stage: Stage):
    task = await stage.story.task()
    watcher = await stage.watch(task)
    await stage.redis.delete(f"ws:conn:{{{watcher}}}")

    await stage.upkeep.run()

    assert await stage.connections.ids() == []


@pytest.mark.parametrize(
    ("expires_in", "revoked", "epoch", "code"),
    [
        (-1, False, 0, "token_expired"),
        (600, True, 0, "session_revoked"),
        (600, False, 7, "session_revoked"),
    ],
)
@pytest.mark.stream_case(16)
async def test_a_socket_whose_session_has_ended_gets_an_error_and_is_closed(
    stage: Stage, expires_in, revoked, epoch, code
):
    user = await stage.story.user()
    session = await stage.story.session(user)
    task = await stage.story.task(user)
    watcher = await stage.watch(
        task, session_id=session, epoch=epoch, expires_at=int(time.time()) + expires_in
    )
    if revoked:
        await stage.story.revoke(session)

    await stage.tick()

    assert stage.gateway.frames[watcher][-1]["code"] == code
    assert watcher in stage.gateway.closed
    assert await stage.connections.find(watcher) is None


async def test_a_socket_of_a_revoked_key_gets_an_error_and_is_closed(stage: Stage):
    user = await stage.story.user()
    key = await stage.reader.key(api_keys.present(await stage.story.key(user)).fingerprint)
    assert key is not None
    task = await stage.story.task(user)
    watcher = await stage.watch(task, session_id=key.id, epoch=0)
    await stage.tick()
    assert watcher not in stage.gateway.closed

    await stage.story.revoke_keys(user)
    await stage.tick()

    assert stage.gateway.frames[watcher][-1]["code"] == "session_revoked"
    assert watcher in stage.gateway.closed


@pytest.mark.parametrize(
    "columns", [{"deleted_at": datetime.now(UTC)}, {"status": UserStatus.DISABLED}]
)
async def test_a_socket_on_a_trusted_gateways_word_is_closed_with_the_account(
    stage: Stage, columns
):
    gone = await stage.story.user(**columns)
    watcher = await stage.watch(await stage.story.task(gone))
    other = await stage.watch(await stage.story.task())

    await stage.tick()

    assert stage.gateway.frames[watcher][-1]["code"] == "session_revoked"
    assert stage.gateway.open == {other}


@pytest.mark.stream_case(16)
async def test_no_state_follows_the_last_frame_of_a_socket(stage: Stage):
    user = await stage.story.user()
    session = await stage.story.session(user)
    task = await stage.story.task(user)
    watcher = await stage.watch(task, session_id=session, epoch=0)
    await stage.deliver(task)
    await stage.story.revoke(session)
    close, news = stage.gateway.close, []

    async def progress() -> None:
        await stage.story.progress(task)
        await stage.deliver(task)

    async def close_when_there_is_news(connection_id: str) -> None:
        news.append(asyncio.create_task(progress()))
        await asyncio.sleep(0.2)
        await close(connection_id)

    stage.gateway.close = close_when_there_is_news  # type: ignore[method-assign]
    await stage.tick()
    await asyncio.gather(*news)

    assert [frame["type"] for frame in stage.gateway.frames[watcher]] == ["snapshot", "error"]
    assert watcher in stage.gateway.closed


async def test_a_socket_that_is_ended_while_it_opens_gets_the_reason_once_it_is_open(stage: Stage):
    user = await stage.story.user()
    task = await stage.story.task(user)
    watcher = await stage.watch(task, session_id=uuid4(), epoch=0, age_seconds=0)
    stage.gateway.open.remove(watcher)

    ticking = asyncio.create_task(stage.tick())
    await asyncio.sleep(0.12)
    stage.gateway.open.add(watcher)
    await ticking

    assert [frame["code"] for frame in stage.gateway.frames[watcher]] == ["session_revoked"]
    assert watcher in stage.gateway.closed


async def test_a_socket_of_a_live_session_stays(stage: Stage):
    user = await stage.story.user()
    session = await stage.story.session(user)
    task = await stage.story.task(user)
    watcher = await stage.watch(
        task, session_id=session, epoch=0, expires_at=int(time.time()) + 600
    )

    await stage.upkeep.run()

    assert watcher in stage.gateway.open


@pytest.mark.stream_case(68)
async def test_five_thousand_watchers_get_their_heartbeats(stage: Stage):
    user = await stage.story.user()
    tasks = [await stage.story.task(user) for _ in range(5)]
    watchers = [connection(tasks[number % 5], user_id=user) for number in range(5000)]
    stage.gateway.open = {watcher.id for watcher in watchers}
    for start in range(0, len(watchers), 100):
        some = watchers[start : start + 100]
        await asyncio.gather(*(stage.connections.register(each, Cursor()) for each in some))
    await asyncio.gather(*(stage.deliver(task) for task in tasks))
    await quiet(stage, *stage.gateway.open)

    await stage.upkeep.run()

    expected = [("snapshot", 1), ("heartbeat", 1)]
    assert all(stage.gateway.states(watcher.id) == expected for watcher in watchers)


async def test_a_review_closes_at_once_the_sockets_that_may_not_stay_open(stage: Stage):
    task, user = await stage.story.task(), await stage.story.user()
    session = await stage.story.session(user)
    rights: dict[str, Any] = {"user_id": user, "session_id": session, "epoch": 0}
    revoked = connection(task, **{**rights, "epoch": 1})
    expired = connection(task, **rights, expires_at=int(time.time()) - 1)
    staying = connection(task, **rights, expires_at=int(time.time()) + 60)
    for socket in (revoked, expired, staying):
        stage.gateway.open.add(socket.id)
        assert await stage.connections.admit(socket, per_user=3, per_task=3)
        await stage.connections.register(socket, Cursor())
    stranger = await stage.watch(task, session_id=session, epoch=1)

    await stage.upkeep.review(user)
    await stage.answer_doorbells()

    assert stage.gateway.frames[revoked.id][0]["code"] == "session_revoked"
    assert stage.gateway.frames[expired.id][0]["code"] == "token_expired"
    assert stage.gateway.open == {staying.id, stranger}
    assert [socket.id for socket in await stage.connections.of_user(user)] == [staying.id]
