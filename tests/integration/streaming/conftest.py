import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis.asyncio import BlockingConnectionPool, Redis
from sqlalchemy.ext.asyncio import create_async_engine

from shared.stream.connections import Connections, Cursor
from shared.stream.delivery import Deliverer
from shared.stream.reader import Reader, TaskHead
from shared.stream.readers.sqlite import SqliteDatabase
from shared.stream.upkeep import Upkeep
from tests.watchers import FakeGateway, RecordingQueue, Story, connection


@dataclass
class Stage:
    """Everything a stream needs, on a Redis and a database that only this test uses."""

    redis: Redis
    story: Story
    reader: Reader
    connections: Connections
    gateway: FakeGateway
    doorbells: RecordingQueue
    deliverer: Deliverer
    upkeep: Upkeep

    async def watch(self, task_id: UUID, after: int | None = None, **fields: Any) -> str:
        """Register an open socket that has not been sent anything yet."""
        task = await self.reader.task(task_id) or TaskHead(uuid4(), 1)
        watcher = connection(task_id, **{"user_id": task.user_id, **fields})
        self.gateway.open.add(watcher.id)
        await self.connections.register(watcher, Cursor(after=after, first=task.sequence))
        return watcher.id

    async def deliver(self, task_id: UUID) -> None:
        await self.deliverer.deliver(task_id)

    async def tick(self) -> None:
        """A tick, and the deliveries it rang for."""
        await self.upkeep.run()
        await self.answer_doorbells()

    async def answer_doorbells(self) -> None:
        while self.doorbells.deliveries:
            await self.deliver(self.doorbells.deliveries.pop(0))


@pytest.fixture
def database_copy(migrated_database: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(migrated_database, tmp_path / "stream.db"))


@pytest.fixture
async def redis(redis_server: str) -> AsyncIterator[Redis]:
    client = Redis.from_pool(BlockingConnectionPool.from_url(redis_server, max_connections=32))
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture
async def stage(redis: Redis, database_copy: Path) -> AsyncIterator[Stage]:
    url = f"sqlite+aiosqlite:///{database_copy}"
    engine = create_async_engine(url)
    reader = Reader(SqliteDatabase(url))
    connections = Connections(redis, ttl_seconds=7800, heartbeat_seconds=15)
    gateway, doorbells = FakeGateway(), RecordingQueue()
    yield Stage(
        redis,
        Story(engine),
        reader,
        connections,
        gateway,
        doorbells,
        Deliverer(redis, connections=connections, reader=reader, gateway=gateway),
        Upkeep(
            connections=connections,
            reader=reader,
            gateway=gateway,
            doorbells=doorbells,
            tick_seconds=5,
        ),
    )
    await reader.close()
    await engine.dispose()
