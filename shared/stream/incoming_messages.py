import json

from shared.singletons import singleton
from shared.stream import frames
from shared.stream.connections import Connections, connections
from shared.stream.gateway import Gateway, gateway

MAX_PER_SECOND = 10
UNKNOWN_MESSAGE = ("unknown_message", 'The only message here is {"type":"ping"}.')


class Messages:
    """Answers what watchers send: only `{"type":"ping"}` is valid. A flood gets no answer."""

    def __init__(self, *, connections: Connections, gateway: Gateway) -> None:
        self._connections = connections
        self._gateway = gateway

    async def receive(self, connection_id: str, text: str) -> None:
        """Answer a ping with a heartbeat and anything else with an error; the socket stays open.

        A socket that is not registered is closed, so that its client connects again. Raises
        GatewayError, RedisError.
        """
        if await self._connections.count_message(connection_id) > MAX_PER_SECOND:
            return
        connection = await self._connections.find(connection_id)
        if connection is None:
            return await self._gateway.close(connection_id)
        if not is_ping(text):
            return await self._gateway.post(connection_id, frames.error(*UNKNOWN_MESSAGE))
        cursors = await self._connections.cursors(connection.task_id)
        if (cursor := cursors.get(connection_id)) and cursor.sequence is not None:
            pong = frames.heartbeat(connection.task_id, cursor.sequence)
            await self._gateway.post(connection_id, pong)
            await self._connections.touch([connection_id])


@singleton
def messages() -> Messages:
    return Messages(connections=connections(), gateway=gateway())


def is_ping(text: str) -> bool:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(message, dict) and message.get("type") == "ping"
