import asyncio
import json
import logging
from collections.abc import Iterator
from typing import Any, Final, Protocol

from lampwork.http.internal_paths import QUEUES
from lampwork.metrics.metrics import Metrics
from lampwork.metrics.readings import Reading

logger = logging.getLogger(__name__)

ANSWER_SECONDS: Final = 2


class Server(Protocol):
    @property
    def address(self) -> tuple[str, int]: ...

    @property
    def has_started(self) -> bool: ...


def watch_queues(metrics: Metrics, server: Server) -> None:
    """Expose how many messages the queues of the embedded SQS hold, and for how long."""
    queues = _Queues(server)
    metrics.refresh_with(queues.refresh)
    metrics.watch("queue_messages", "Messages in a queue.", ("queue", "state"), queues.messages)
    metrics.watch(
        "queue_oldest_message_age_seconds",
        "Age of the oldest message in a queue, 0 when it is empty.",
        ("queue",),
        queues.ages,
    )


class _Queues:
    def __init__(self, server: Server) -> None:
        self._server = server
        self._measurements: list[dict[str, Any]] = []

    async def refresh(self) -> None:
        """Measure the queues. Without an answer, show nothing rather than the former values."""
        self._measurements = []
        if not self._server.has_started:
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._measurements = json.loads(await self._fetch())
        except (OSError, TimeoutError, ValueError) as error:
            logger.warning("the queues cannot be measured", extra={"reason": repr(error)})

    def messages(self) -> Iterator[Reading]:
        for queue in self._measurements:
            for state in ("visible", "in_flight", "delayed"):
                yield (queue["name"], state), queue[state]

    def ages(self) -> Iterator[Reading]:
        for queue in self._measurements:
            yield (queue["name"],), queue["oldest_age_seconds"]

    async def _fetch(self) -> bytes:
        reader, writer = await asyncio.open_connection(*self._server.address)
        try:
            writer.write(f"GET {QUEUES} HTTP/1.0\r\n\r\n".encode())
            return (await reader.read()).partition(b"\r\n\r\n")[2]
        finally:
            writer.close()
