import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import fakeredis
import pytest
from redis.asyncio import Redis

from shared.stream.connections import Connection, Connections, Cursor, task_key
from shared.stream.delivery_lock import DeliveryLock
from shared.stream.endings import Ending
from tests.watchers import connection


@pytest.fixture(params=["server", "fake"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Redis]:
    """A Redis, and the stand-in that serves where no Redis is installed."""
    if request.param == "server":
        client = Redis.from_url(request.getfixturevalue("redis_server"))
        await client.flushall()
    else:
        client = fakeredis.FakeAsyncRedis()
    yield client
    await client.aclose()


@pytest.fixture
def registry(store: Redis) -> Connections:
    return Connections(store, ttl_seconds=7800, heartbeat_seconds=15)


@pytest.mark.parametrize(
    "cursor",
    [
        Cursor(first=3),
        Cursor(after=0),
        Cursor(after=2**63 - 1),
        Cursor(sequence=7),
        Cursor(ending=Ending.TOKEN_EXPIRED),
    ],
)
async def test_a_cursor_is_kept_as_it_was(registry: Connections, cursor):
    watcher = connection(uuid4())

    await registry.register(watcher, cursor)

    assert await registry.cursors(watcher.task_id) == {watcher.id: cursor}


async def test_a_connection_is_kept_as_it_was(registry: Connections):
    watcher = connection(uuid4(), session_id=uuid4(), epoch=2, expires_at=1776784701)
    plain = connection(uuid4())
    await registry.register(watcher, Cursor())
    await registry.register(plain, Cursor())

    found = await registry.find_all([watcher.id, plain.id, "unknown="])

    assert found == {watcher.id: watcher, plain.id: plain, "unknown=": None}


async def test_a_task_keeps_its_key_while_somebody_watches(registry: Connections, store: Redis):
    task = uuid4()
    first, second = connection(task), connection(task)
    await registry.register(first, Cursor())
    await registry.register(second, Cursor())

    await registry.deregister(first.id)
    watched = await store.exists(task_key(task))
    await registry.deregister(second.id)

    assert watched == 1
    assert await store.keys() == []


async def test_forgetting_twice_is_harmless(registry: Connections):
    watcher = connection(uuid4())
    await registry.register(watcher, Cursor())

    for _ in range(2):
        await registry.deregister(watcher.id)
        await registry.deregister(watcher.id, watcher.task_id)

    assert await registry.find(watcher.id) is None


async def test_a_cursor_moves_only_forward(registry: Connections):
    watcher = connection(uuid4())
    await registry.register(watcher, Cursor(after=9))

    for sequence in (10, 12, 11):
        assert await registry.advance(watcher.task_id, watcher.id, sequence)

    assert await registry.cursors(watcher.task_id) == {watcher.id: Cursor(sequence=12)}


async def test_a_cursor_that_has_an_ending_does_not_advance(registry: Connections, store: Redis):
    watcher = connection(uuid4())
    await registry.register(watcher, Cursor())
    await registry.end(watcher, Ending.SESSION_REVOKED)

    moved = await registry.advance(watcher.task_id, watcher.id, 3)
    await registry.end(watcher, Ending.SESSION_REVOKED)

    assert not moved
    assert await registry.cursors(watcher.task_id) == {
        watcher.id: Cursor(ending=Ending.SESSION_REVOKED)
    }
    assert 0 < await store.ttl(task_key(watcher.task_id)) <= 7800


async def test_a_deregistered_watcher_does_not_come_back(registry: Connections, store: Redis):
    watcher = connection(uuid4())
    await registry.register(watcher, Cursor())
    await registry.deregister(watcher.id)

    moved = await registry.advance(watcher.task_id, watcher.id, 3)
    await registry.touch([watcher.id])

    assert not moved
    assert await store.keys() == []


async def test_sockets_that_open_at_once_do_not_exceed_the_limit(registry: Connections):
    user = uuid4()
    watchers = [connection(uuid4(), user_id=user) for _ in range(40)]

    async def come(watcher: Connection) -> bool:
        admitted = await registry.admit(watcher, per_user=5, per_task=5)
        if admitted:
            await asyncio.sleep(0.02)  # other watchers come before this one is registered
            await registry.register(watcher, Cursor())
        return admitted

    admitted = await asyncio.gather(*map(come, watchers))

    expected = {watcher for watcher, came in zip(watchers, admitted, strict=True) if came}
    assert len(expected) == 5
    assert set(await registry.of_user(user)) == expected
    assert set((await registry.find_all(each.id for each in watchers)).values()) == {
        *expected,
        None,
    }


@pytest.mark.stream_case(67)
async def test_registrations_expire(registry: Connections, store: Redis):
    watcher = connection(uuid4())
    await registry.register(watcher, Cursor())

    lives = [
        await store.ttl(f"ws:conn:{{{watcher.id}}}"),
        await store.ttl(task_key(watcher.task_id)),
    ]

    assert all(7790 < seconds <= 7800 for seconds in lives)


async def test_a_due_heartbeat_is_claimed_once(registry: Connections, store: Redis):
    watchers = [connection(uuid4()) for _ in range(3)]
    for watcher in watchers:
        await registry.register(watcher, Cursor())
    early = await registry.claim_due(within_seconds=7.5, limit=10)
    await store.zadd("ws:hb", {watcher.id: 0 for watcher in watchers})

    first = await registry.claim_due(within_seconds=0, limit=2)
    second = await registry.claim_due(within_seconds=0, limit=2)

    assert early == []
    assert (len(first), len(second)) == (2, 1)
    assert {*first, *second} == {watcher.id for watcher in watchers}


async def test_one_deliverer_at_a_time(store: Redis):
    task = uuid4()
    inside = 0

    async def deliver() -> bool:
        nonlocal inside
        lock = DeliveryLock(store, task)
        async with lock.hold() as held:
            if held:
                inside += 1
                assert inside == 1
                await asyncio.sleep(0.001)
                inside -= 1
                while not await lock.release():
                    pass
            return held

    held = await asyncio.gather(*(deliver() for _ in range(20)))

    assert any(held)
    assert await store.keys("ws:lock:*") == []
