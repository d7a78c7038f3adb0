import asyncio
import time
from dataclasses import dataclass, field
from uuid import UUID

from redis.asyncio import Redis

from shared.clients import redis_client
from shared.process import metrics
from shared.process.parallel import for_each
from shared.singletons import singleton
from shared.stream import frames
from shared.stream.connections import Connections, Cursor, connections
from shared.stream.delivery_lock import DeliveryLock
from shared.stream.endings import Ending
from shared.stream.gateway import Gateway, GatewayError, Gone, gateway
from shared.stream.history import History
from shared.stream.reader import Reader, reader

POSTS_AT_A_TIME = 32

# A socket opens only after its $connect has returned, which may be after we are woken; until then
# the gateway says it is gone. https://repost.aws/knowledge-center/410-gone-api-gateway
OPENING_SECONDS = 5.0
FIRST_RETRY_SECONDS = 0.05
LAST_RETRY_SECONDS = 0.8
GLANCE_SECONDS = 0.05


class DeliveryIncomplete(Exception):
    """The gateway did not take every frame. The cursors are kept, so another delivery continues."""


class Deliverer:
    """Brings every watcher of a task from its cursor to the task's newest state.

    Level-triggered: a call carries no news, it compares cursors with the database. So calls may
    be lost, doubled or reordered, and a deliverer may be killed at any point: frames go out in
    order, each at least once, and the next call goes on.
    """

    def __init__(
        self, redis: Redis, *, connections: Connections, reader: Reader, gateway: Gateway
    ) -> None:
        self._redis = redis
        self._connections = connections
        self._reader = reader
        self._gateway = gateway

    async def deliver(self, task_id: UUID) -> None:
        """Bring every watcher up to date; close those who have seen the terminal state.

        Returns at once if another deliverer has the task: that one looks again before it ends.

        Raises:
            DeliveryIncomplete: the gateway is overloaded or refuses us.
            LockLost: this process stood still for too long.
            Unavailable: the database is away. RedisError: Redis is.
        """
        metrics.record(metrics.WAKE_UPS)
        lock = DeliveryLock(self._redis, task_id)
        async with lock.hold() as held:
            if held:
                delivery = _Delivery(task_id, lock, self._connections, self._reader, self._gateway)
                await delivery.run()


@dataclass
class _Delivery:
    """The work done under one lock: a round for as long as there is news."""

    task_id: UUID
    lock: DeliveryLock
    connections: Connections
    reader: Reader
    gateway: Gateway
    refused: dict[str, GatewayError] = field(default_factory=dict)
    opening: set[str] = field(default_factory=set)
    missed_at: dict[str, float] = field(default_factory=dict)
    told: set[str] = field(default_factory=set)

    async def run(self) -> None:
        retry_seconds = FIRST_RETRY_SECONDS
        while True:
            await self._round()
            if self.opening:
                news = await self._wait(retry_seconds)
                retry_seconds = (
                    FIRST_RETRY_SECONDS if news else min(2 * retry_seconds, LAST_RETRY_SECONDS)
                )
            elif await self.lock.release():
                break
        if self.refused:
            reason = next(iter(self.refused.values()))
            refused = len(self.refused)
            raise DeliveryIncomplete(
                f"task {self.task_id}: {refused} watchers were not told: {reason}"
            ) from reason

    async def _round(self) -> None:
        self.opening.clear()
        cursors = await self.connections.cursors(self.task_id)
        waiting = {id: cursor for id, cursor in cursors.items() if id not in self.refused}
        if not waiting:
            return
        following = [cursor for cursor in waiting.values() if not cursor.ending]
        history = await History.read(self.reader, self.task_id, following) if following else None
        try:
            await for_each(
                waiting.items(),
                lambda watcher: self._tell(*watcher, history),
                at_a_time=min(len(waiting), POSTS_AT_A_TIME),
            )
        finally:
            await self.connections.touch(self.told)
            self.told.clear()

    async def _tell(self, connection_id: str, cursor: Cursor, history: History | None) -> None:
        try:
            await self._bring(connection_id, cursor, history)
        except Gone:
            await self._gone(connection_id, cursor)
        except GatewayError as error:
            self.refused[connection_id] = error

    async def _bring(self, connection_id: str, cursor: Cursor, history: History | None) -> None:
        if cursor.ending or history is None:
            return await self._end(connection_id, cursor.ending or Ending.TASK_NOT_FOUND)
        for frame in history.frames_for(cursor):
            await self._post(connection_id, frame.text)
            if not await self.connections.advance(self.task_id, connection_id, frame.sequence):
                return  # it has left meanwhile, or is to end
            if cursor.is_fresh:
                await self._note_first_frame(connection_id)
                cursor = Cursor(sequence=frame.sequence)
        if history.latest.terminal:
            await self._close(connection_id)

    async def _note_first_frame(self, connection_id: str) -> None:
        if connection := await self.connections.find(connection_id):
            metrics.record(metrics.TIME_TO_FIRST_FRAME, max(connection.age_seconds(), 0.0))

    async def _post(self, connection_id: str, text: str) -> None:
        self.lock.check()
        await self.gateway.post(connection_id, text)
        metrics.record(metrics.FRAMES_DELIVERED, Kind="state")
        self.told.add(connection_id)

    async def _end(self, connection_id: str, ending: Ending) -> None:
        await self._post(connection_id, frames.error(ending, ending.message))
        await self._close(connection_id)
        metrics.record(metrics.SOCKETS_DROPPED, Reason=ending)

    async def _close(self, connection_id: str) -> None:
        await self.gateway.close(connection_id)
        await self.connections.deregister(connection_id, self.task_id)

    async def _gone(self, connection_id: str, cursor: Cursor) -> None:
        told_before = cursor.sequence is not None or connection_id in self.told
        if not told_before and await self._may_be_opening(connection_id):
            self.opening.add(connection_id)
        else:
            metrics.record(metrics.SOCKETS_DROPPED, Reason="gone")
            await self.connections.deregister(connection_id, self.task_id)

    async def _may_be_opening(self, connection_id: str) -> bool:
        missed_at = self.missed_at.setdefault(connection_id, time.monotonic())
        if time.monotonic() - missed_at >= OPENING_SECONDS:
            return False  # whatever the gateway's clock says
        connection = await self.connections.find(connection_id)
        return connection is not None and connection.age_seconds() < OPENING_SECONDS

    async def _wait(self, seconds: float) -> bool:
        """Wait for sockets to open, or until there is news. Returns whether there is news."""
        while seconds > 0:
            await asyncio.sleep(min(seconds, GLANCE_SECONDS))
            if await self.lock.clear_mark():
                return True
            seconds -= GLANCE_SECONDS
        return False


@singleton
def deliverer() -> Deliverer:
    return Deliverer(
        redis_client.client(), connections=connections(), reader=reader(), gateway=gateway()
    )
