import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from shared.process import metrics
from shared.stream import frames
from shared.stream.connections import Connection, Cursor
from shared.stream.endings import Ending
from shared.stream.history import History


class CloseCode(IntEnum):
    """Why the server ends a stream. https://www.iana.org/assignments/websocket/websocket.xhtml"""

    NORMAL = 1000
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013


@dataclass(frozen=True, slots=True)
class Sent:
    """One frame for one watcher. `sequence` is the state's; None for a heartbeat or an error."""

    kind: str
    text: str
    sequence: int | None = None


Send = Callable[[Sent], Awaitable[None]]


@dataclass(eq=False)
class Watcher:
    """An open socket or event stream of this process, as its own task serves it.

    Others leave word here and wake that task: a history to bring it up to date from, an ending, a
    heartbeat that is due. What is not taken yet is replaced by what is newer, so a slow client
    costs no memory.
    """

    connection: Connection
    cursor: Cursor
    history: History | None = None
    ending: Ending | None = None
    closing: CloseCode | None = None
    beat_due: bool = False
    sent_at: float = field(default_factory=time.monotonic)
    sending: bool = False
    delivered: Counter[str] = field(default_factory=Counter)  # frames by kind, of all who share it
    _has_news: bool = False
    _waiting: "asyncio.Future[None] | None" = None
    _telling: "asyncio.Task[None] | None" = None

    def show(self, history: History | None) -> None:
        """None when there is no such task any more."""
        if history is None:
            self.end(Ending.TASK_NOT_FOUND)
        else:
            self.history = history
            self._wake()

    def end(self, ending: Ending) -> None:
        """Tell it this, and nothing after it."""
        self.ending = self.ending or ending
        self._wake()

    def close(self, code: CloseCode) -> None:
        """End it without a word."""
        self.closing = code
        self._wake()

    def give_up(self) -> None:
        """End it although it does not take what it is being sent."""
        self.closing = CloseCode.TRY_AGAIN_LATER
        if self._telling is not None:
            self._telling.cancel()

    def beat(self) -> None:
        self.beat_due = True
        self._wake()

    async def serve(self, send: Send, gone: Coroutine[Any, Any, None]) -> CloseCode | None:
        """Send it everything until it is to be closed, or until its client is gone.

        Returns the code to close it with; None if the client is gone.
        """
        self._telling = asyncio.create_task(self._tell(send))
        listening = asyncio.create_task(gone)
        both = (self._telling, listening)
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
            results = await asyncio.gather(*both, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result  # an OSError says that the client is gone
        left = listening.done() and not listening.cancelled()
        return None if left else self.closing

    async def _tell(self, send: Send) -> None:
        async for frame in self.frames():
            await send(frame)

    async def frames(self) -> AsyncIterator[Sent]:
        """Everything that this watcher is to be sent, in order, until it is to be closed.

        A frame counts as sent when the next one is asked for.
        """
        while not self.closing:
            if not self._has_news:
                # Lighter than an Event, which a thousand watchers would notice.
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting
            self._has_news = False
            for frame in self._due():
                self.sending = True
                yield frame
                self.sending, self.beat_due = False, False
                opened_or_sent_at, self.sent_at = self.sent_at, time.monotonic()
                if self.cursor.is_fresh and frame.sequence is not None:
                    metrics.record(metrics.TIME_TO_FIRST_FRAME, self.sent_at - opened_or_sent_at)
                self.delivered[frame.kind] += 1
            if self.ending or (self.history and self._has_ended(self.history)):
                self.closing = self.closing or CloseCode.NORMAL

    def _wake(self) -> None:
        self._has_news = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _due(self) -> Iterator[Sent]:
        history = self.history
        for frame in history.frames_for(self.cursor) if history else ():
            if self.ending or self.closing:
                break
            yield Sent(frame.kind, frame.text, frame.sequence)
            self.cursor = Cursor(sequence=frame.sequence)
        if self.ending and not self.closing:
            yield Sent("error", frames.error(self.ending, self.ending.message))
        elif self.beat_due and not self.closing and self.cursor.sequence is not None:
            yield Sent("heartbeat", self.heartbeat())

    def heartbeat(self) -> str:
        return frames.heartbeat(self.connection.task_id, self.cursor.sequence or 0)

    def _has_ended(self, history: History) -> bool:
        return history.latest.terminal and (self.cursor.sequence or 0) >= history.latest.sequence
