import logging
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from shared import settings
from shared.process import metrics
from shared.process.parallel import for_each
from shared.queues.doorbells import Queue
from shared.queues.registry import queue
from shared.singletons import singleton
from shared.stream import frames, standing
from shared.stream.connections import Connection, Connections, Cursor, connections
from shared.stream.gateway import Gateway, GatewayError, Gone, gateway
from shared.stream.reader import Event, Reader, reader

logger = logging.getLogger(__name__)

POSTS_AT_A_TIME = 50
REDIS_CALLS_AT_A_TIME = 20
MAX_HEARTBEATS = 20_000

Watchers = Mapping[UUID, Mapping[str, Cursor]]


class Upkeep:
    """What every tick does for open sockets, so that every loss is repaired."""

    def __init__(
        self,
        *,
        connections: Connections,
        reader: Reader,
        gateway: Gateway,
        doorbells: Queue,
        tick_seconds: float,
    ) -> None:
        self._connections = connections
        self._reader = reader
        self._gateway = gateway
        self._doorbells = doorbells
        self._tick_seconds = tick_seconds

    async def run(self) -> None:
        """Drop expired registrations, end sockets that may not stay open, ring for a delivery if a
        watcher lags or was not closed, and send the heartbeats that are due.

        Two ticks at once do no harm: only one of them sends each heartbeat.
        """
        live = await self._drop_expired()
        if not live:
            return
        staying = await self._end_unauthorized(live)
        task_ids = {connection.task_id for connection in staying}
        newest = await self._reader.newest(task_ids)
        watchers = await self._connections.cursors_of_all(task_ids)
        await self._wake_deliverers(watchers, newest)
        await self._send_heartbeats(watchers, newest)

    async def review(self, user_id: UUID) -> None:
        """End those sockets of a user that may not stay open, without waiting for a tick."""
        found = await self._connections.of_user(user_id)
        await self._end_unauthorized([each for each in found if not each.native])

    async def _drop_expired(self) -> list[Connection]:
        found = await self._connections.find_all(await self._connections.ids())
        for connection_id, connection in found.items():
            if connection is None:
                metrics.record(metrics.SOCKETS_DROPPED, Reason="registration_expired")
                await self._connections.deregister(connection_id)
        return [connection for connection in found.values() if connection is not None]

    async def _end_unauthorized(self, live: Sequence[Connection]) -> list[Connection]:
        """End the connections that have lost their right to stay open. Returns the others.

        A deliverer closes them, since only it knows that no state follows the last frame.
        """
        endings = await standing.endings(self._reader, live)
        ended = [(each, endings[each.id]) for each in live if each.id in endings]
        await for_each(
            ended, lambda each: self._connections.end(*each), at_a_time=REDIS_CALLS_AT_A_TIME
        )
        for task_id in {connection.task_id for connection, _ in ended}:
            await self._doorbells.ring_deliver(task_id)
        return [connection for connection in live if connection.id not in endings]

    async def _wake_deliverers(self, watchers: Watchers, newest: Mapping[UUID, Event]) -> None:
        for task_id, cursors in watchers.items():
            event = newest.get(task_id)
            if event is None or event.terminal or not _all_told(cursors.values(), event):
                await self._doorbells.ring_deliver(task_id)

    async def _send_heartbeats(self, watchers: Watchers, newest: Mapping[UUID, Event]) -> None:
        # Those due within half a tick: so each is sent by the tick nearest to its time.
        due = await self._connections.claim_due(
            within_seconds=self._tick_seconds / 2, limit=MAX_HEARTBEATS
        )
        # A connection that lags gets no heartbeat: its client would take the sequence for a lost
        # frame.
        told = {
            connection_id: (task_id, newest[task_id].sequence)
            for task_id, cursors in watchers.items()
            if task_id in newest and not newest[task_id].terminal
            for connection_id, cursor in cursors.items()
            if _all_told([cursor], newest[task_id])
        }

        await for_each(
            [connection_id for connection_id in due if connection_id in told],
            lambda connection_id: self._send_heartbeat(connection_id, *told[connection_id]),
            at_a_time=POSTS_AT_A_TIME,
        )

    async def _send_heartbeat(self, connection_id: str, task_id: UUID, sequence: int) -> None:
        try:
            await self._gateway.post(connection_id, frames.heartbeat(task_id, sequence))
            metrics.record(metrics.FRAMES_DELIVERED, Kind="heartbeat")
        except Gone:  # who was told something had opened
            metrics.record(metrics.SOCKETS_DROPPED, Reason="gone")
            await self._connections.deregister(connection_id, task_id)
        except GatewayError as error:
            _not_taken(connection_id, error)


@singleton
def upkeep() -> Upkeep:
    return Upkeep(
        connections=connections(),
        reader=reader(),
        gateway=gateway(),
        doorbells=queue(),
        tick_seconds=settings.websocket().tick_seconds,
    )


def _all_told(cursors: Iterable[Cursor], event: Event) -> bool:
    return all(
        cursor.sequence is not None and cursor.sequence >= event.sequence for cursor in cursors
    )


def _not_taken(connection_id: str, error: GatewayError) -> None:
    logger.warning(
        "The gateway did not take a call",
        extra={"connection_id": connection_id, "error": str(error)},
    )
