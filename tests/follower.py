"""A client that follows a task as the documentation describes, and misses nothing.

A snapshot replaces what is known; an update counts if its sequence is greater than the last; a
terminal state is the end, however the socket closes. Silence, a heartbeat that is ahead, or a
socket that broke: connect again after the last sequence, with jitter.
"""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

FIRST_DELAY_SECONDS = 0.5
LONGEST_DELAY_SECONDS = 30.0

Open = Callable[[str], connect]
"""A socket on the task, with this query: empty, or `?after=` and a sequence."""


@dataclass
class Follower:
    """One watcher of one task.

    `states` is what it showed its user, each sequence once; `sockets` holds what each of its
    sockets received, in order.
    """

    open: Open
    silence_seconds: float = 45.0
    longest_delay_seconds: float = LONGEST_DELAY_SECONDS
    states: list[dict[str, Any]] = field(default_factory=list)
    sockets: list[list[int]] = field(default_factory=list)

    @property
    def last(self) -> int | None:
        """The sequence of the newest state."""
        return self.states[-1]["sequence"] if self.states else None

    @property
    def done(self) -> bool:
        return bool(self.states) and bool(self.states[-1]["terminal"])

    async def follow(self) -> None:
        """Follow the task to its end."""
        tries = 0
        while not self.done:
            if tries:
                longest = min(self.longest_delay_seconds, FIRST_DELAY_SECONDS * 2**tries)
                await asyncio.sleep(random.uniform(0, longest))
            known, tries = self.last, tries + 1
            try:
                async with self.open("" if known is None else f"?after={known}") as socket:
                    await self._listen(socket)
            except (OSError, TimeoutError, InvalidHandshake, WebSocketException):
                pass  # the next socket goes on where this one ended
            if self.last != known:
                tries = 1

    async def _listen(self, socket: ClientConnection) -> None:
        self.sockets.append([])
        while not self.done:
            frame = json.loads(await asyncio.wait_for(socket.recv(), self.silence_seconds))
            if frame["type"] == "heartbeat" and frame["sequence"] > (self.last or 0):
                return
            if frame["type"] == "error":
                return
            if frame["type"] in ("snapshot", "update"):
                self._take(frame)

    def _take(self, frame: dict[str, Any]) -> None:
        sequence = frame["sequence"]
        self.sockets[-1].append(sequence)
        if self.last is None or sequence > self.last:
            self.states.append(frame)
        elif frame["type"] == "snapshot":
            self.states[-1] = frame
