import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from contextvars import Context
from typing import Any
from uuid import UUID

from redis.exceptions import RedisError

from shared import settings
from shared.errors import Unavailable
from shared.process import metrics
from shared.singletons import singleton
from shared.stream import standing
from shared.stream.connections import Connection, Connections, Cursor, connections
from shared.stream.endings import Ending
from shared.stream.history import History
from shared.stream.native.subscription import Subscription, subscription
from shared.stream.native.watcher import CloseCode, Watcher
from shared.stream.reader import Reader, reader
from shared.stream.redis_keys import REVIEWS, channel

logger = logging.getLogger(__name__)

RELEASE = "release"  # the tasks that a stop waits for
KINDS = {"snapshot": "state", "update": "state", "heartbeat": "heartbeat"}  # in metrics
GLANCE_SECONDS = 1.0
RETRY_SECONDS = 2.0
# A client that takes nothing for so long is given up; what the system holds for it stays bounded.
STALLED_SECONDS = 30.0


class Audience:
    """The open sockets and event streams of this process.

    One subscription and, for each task that somebody watches, one reader serve them all. Delivery
    is level-triggered, as the deliverer's is: a message on a task's channel says only that there
    is news, which is then read from the database once for all who watch.
    """

    def __init__(
        self,
        *,
        subscription: Subscription,
        connections: Connections,
        reader: Reader,
        heartbeat_seconds: float,
        tick_seconds: float,
    ) -> None:
        self._subscription = subscription
        self._connections = connections
        self._reader = reader
        self._heartbeat_seconds = heartbeat_seconds
        self._tick_seconds = tick_seconds
        self._rooms: dict[UUID, Room] = {}
        self._delivered = Counter[str]()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: CloseCode | None = None

    def start(self) -> None:
        self._subscription.add(REVIEWS, self._review)
        self._subscription.start()
        self._spawn(self._keep_glancing())
        self._spawn(self._keep_ticking())

    def close(self) -> None:
        """End all streams, since this process is about to end: their clients connect again."""
        self._closing = CloseCode.SERVICE_RESTART
        for watcher in self._watchers():
            watcher.close(self._closing)

    async def stop(self) -> None:
        """Free all that is held, once the streams have ended."""
        for task in self._tasks:
            if task.get_name() != RELEASE:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._record_delivered()
        await self._subscription.stop()

    @asynccontextmanager
    async def watching(self, connection: Connection, cursor: Cursor) -> AsyncIterator[Watcher]:
        """A watcher of an admitted connection, which is counted no more at the end of the block."""
        watcher = Watcher(connection, cursor, delivered=self._delivered)
        room = self._enter(watcher)
        try:
            yield watcher
        finally:
            self._leave(room, watcher)
            # Whoever served the watcher may have been cancelled, and could wait for nothing.
            self._spawn(self._release(connection), name=RELEASE)

    def _enter(self, watcher: Watcher) -> "Room":
        task_id = watcher.connection.task_id
        if task_id not in self._rooms:
            room = self._rooms[task_id] = Room(task_id, self._reader)
            self._subscription.add(channel(task_id), room.wake)
            room.serving = self._spawn(room.serve())
        room = self._rooms[task_id]
        room.watchers.add(watcher)
        room.wake()
        if self._closing:
            watcher.close(self._closing)
        return room

    def _leave(self, room: "Room", watcher: Watcher) -> None:
        room.watchers.discard(watcher)
        if not room.watchers and self._rooms.get(room.task_id) is room:
            del self._rooms[room.task_id]
            self._subscription.remove(channel(room.task_id), room.wake)
            room.serving.cancel()

    async def _release(self, connection: Connection) -> None:
        try:
            await self._connections.release(connection)
        except (RedisError, OSError) as error:
            logger.warning(
                "A closed stream is counted for another minute",
                extra={"connection_id": connection.id, "error": str(error)},
            )

    def _watchers(self) -> Iterable[Watcher]:
        return [watcher for room in list(self._rooms.values()) for watcher in list(room.watchers)]

    def _spawn(
        self, work: Coroutine[Any, Any, None], *, name: str | None = None
    ) -> "asyncio.Task[None]":
        """Do this for the process: it is no part of the request that happened to need it first."""
        task = asyncio.create_task(work, context=Context(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _keep_glancing(self) -> None:
        """Note what time alone brings: heartbeats, the end of tokens, clients that take nothing."""
        while True:
            await asyncio.sleep(min(GLANCE_SECONDS, self._heartbeat_seconds / 4))
            now, clock = time.monotonic(), time.time()
            for watcher in self._watchers():
                expires_at = watcher.connection.expires_at
                if expires_at is not None and expires_at <= clock:
                    watcher.end(Ending.TOKEN_EXPIRED)
                elif watcher.sending:
                    if now - watcher.sent_at > STALLED_SECONDS + self._heartbeat_seconds:
                        metrics.record(metrics.SOCKETS_DROPPED, Reason="stalled")
                        watcher.give_up()
                elif now - watcher.sent_at >= self._heartbeat_seconds:
                    watcher.beat()

    async def _keep_ticking(self) -> None:
        """Repair what was lost: as the tick does for the sockets of a gateway."""
        while True:
            await asyncio.sleep(self._tick_seconds)
            held = [watcher.connection for watcher in self._watchers()]
            await _tried(self._connections.renew(held), "Open streams were not counted again")
            await _tried(self._end_unauthorized(lambda _: True), "Open streams were not reviewed")
            await _tried(self._wake_those_behind(), "Open streams were not compared")
            self._record_delivered()
            metrics.flush()

    def _record_delivered(self) -> None:
        """One record for many frames: there may be thousands a second."""
        for kind, number in self._delivered.items():
            if kind in KINDS:
                metrics.record(metrics.FRAMES_DELIVERED, number, Kind=KINDS[kind])
        self._delivered.clear()

    def _review(self, message: bytes | None) -> None:
        """Without a message, some may have been missed."""
        user = None if message is None else message.decode(errors="replace")
        ending = self._end_unauthorized(
            lambda watcher: user in (None, str(watcher.connection.user_id))
        )
        self._spawn(_tried(ending, "Streams of an ended session stay open until the next tick"))

    async def _end_unauthorized(self, which: Callable[[Watcher], bool]) -> None:
        watchers = [each for each in self._watchers() if which(each)]
        if not watchers:
            return
        ended = await standing.endings(self._reader, [each.connection for each in watchers])
        for watcher in watchers:
            if watcher.connection.id in ended:
                metrics.record(metrics.SOCKETS_DROPPED, Reason=ended[watcher.connection.id])
                watcher.end(ended[watcher.connection.id])

    async def _wake_those_behind(self) -> None:
        rooms = list(self._rooms.values())
        newest = await self._reader.newest([room.task_id for room in rooms]) if rooms else {}
        for room in rooms:
            event = newest.get(room.task_id)
            if event is None or not room.has_shown(event.sequence):
                room.wake()


class Room:
    """Those of this process who watch one task."""

    def __init__(self, task_id: UUID, reader: Reader) -> None:
        self.task_id = task_id
        self.watchers: set[Watcher] = set()
        self.serving: asyncio.Task[None]
        self._reader = reader
        self._shown = 0
        self._news = asyncio.Event()

    def wake(self, _message: bytes | None = None) -> None:
        self._news.set()

    def has_shown(self, sequence: int) -> bool:
        return self._shown >= sequence

    async def serve(self) -> None:
        """Read the news whenever there may be some, and show them to all who watch by then.

        Whoever comes while it reads is shown what is read next: what was read may begin too late.
        """
        while True:
            await self._news.wait()
            self._news.clear()
            if not (watchers := list(self.watchers)):
                continue
            try:
                history = await History.read(
                    self._reader, self.task_id, [each.cursor for each in watchers]
                )
            except Unavailable as error:
                logger.warning(
                    "A task's watchers wait for the database",
                    extra={"task_id": str(self.task_id), "error": str(error)},
                )
                await asyncio.sleep(RETRY_SECONDS)
                self._news.set()
                continue
            metrics.record(metrics.WAKE_UPS)
            self._shown = history.latest.sequence if history else 0
            for watcher in watchers:
                watcher.show(history)


@singleton
def audience() -> Audience:
    configured = settings.websocket()
    return Audience(
        subscription=subscription(),
        connections=connections(),
        reader=reader(),
        heartbeat_seconds=configured.heartbeat_seconds,
        tick_seconds=configured.tick_seconds,
    )


async def _tried(work: Coroutine[Any, Any, None], failed: str) -> None:
    """Do what the next tick does again if it fails now."""
    try:
        await work
    except (RedisError, OSError, Unavailable) as error:
        logger.warning(failed, extra={"error": str(error)})
