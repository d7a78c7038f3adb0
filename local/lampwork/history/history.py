"""What functions were invoked with, and what came of it: noted at once, looked at and kept later.

Noting costs a request a microsecond. The rest, which is to read events, to hide secrets and to
write, takes a hundred times as long. It is done in small batches between requests, and never takes
more than a hundredth of the time. What is noted faster than that waits, and the oldest of it is
forgotten, as it is in the file. A reader gets all that was noted.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

from lampwork.config.project_config import HistorySettings
from lampwork.errors import LampworkError
from lampwork.history.digest import entry_of
from lampwork.history.entries import Ended, Entry, Sent
from lampwork.history.masking import masks_in, unmasked
from lampwork.history.store import HistoryUnavailable, Store, Wanted
from lampwork.invocation.answer_stream import AnswerStream
from lampwork.invocation.cause import Cause
from lampwork.invocation.port import Invocation
from lampwork.json_text import parsed
from lampwork.stack.model import Function

T = TypeVar("T")

logger = logging.getLogger(__name__)

BATCH: Final = 16
REST: Final = 100  # how many times as long as a batch took nothing is done
SHORTEST_REST: Final = 0.05
LONGEST_REST: Final = 2.0
IDLE_SECONDS: Final = 0.5
# What waits to be looked at, and the events with secrets that can be sent once more, in bytes.
MOST_WAITING_BYTES: Final = 32 * 1024 * 1024
MOST_ORIGINAL_BYTES: Final = 16 * 1024 * 1024


class NotedRequest(Protocol):
    """What a recorder reads of a request for a function. `accepted_at` is of the event loop's
    clock; `trace_header` is of the request that caused it, `trace` is its own."""

    payload: bytes
    accepted_at: float
    trace_header: str | None
    trace: str
    stream: AnswerStream | None
    cause: Cause | None


class Recorder(Protocol):
    """Who notes invocations. Its methods return at once."""

    def ended(self, function: Function, request: NotedRequest, invocation: Invocation) -> None: ...

    def refused(
        self,
        function: Function,
        payload: bytes,
        caused_by: str | None,
        cause: Cause | None,
        reason: LampworkError,
    ) -> None: ...

    def sent(
        self,
        method: str,
        api: str,
        connection_id: str,
        content: bytes,
        status: int,
        caused_by: str | None,
    ) -> None: ...


class Unrecorded(Recorder):
    """Notes nothing."""

    def ended(self, *_: object) -> None:
        pass

    def refused(self, *_: object) -> None:
        pass

    def sent(self, *_: object) -> None:
        pass


class History(Recorder):
    """The history of one data folder."""

    def __init__(self, folder: Path, settings: HistorySettings) -> None:
        self._store = Store(
            folder, most=settings.invocations, most_bytes=settings.megabytes * 1024 * 1024
        )
        self._masks = settings.mask
        self._most = settings.invocations
        self._last = self._store.last
        self._waiting: deque[Ended | Sent] = deque()
        self._waiting_bytes = 0
        self._originals: OrderedDict[int, bytes] = OrderedDict()
        self._original_bytes = 0
        self._looking = asyncio.Lock()
        self._fails = False
        self._clock = asyncio.get_running_loop().time
        self._keeping = asyncio.create_task(self._keep())

    @property
    def last(self) -> int:
        """The number of what was noted last."""
        return self._last

    async def stop(self) -> None:
        """Keep what still waits, and note no more."""
        self._keeping.cancel()
        await asyncio.wait([self._keeping])
        await self._look_at_all()
        self._store.close()

    # Who notes

    def ended(self, function: Function, request: NotedRequest, invocation: Invocation) -> None:
        self._last += 1
        stream = request.stream
        self._note(
            Ended(
                self._last,
                function,
                request.payload,
                request.accepted_at,
                self._clock(),
                time.time(),
                request.trace_header,
                request.trace,
                request.cause,
                invocation,
                streamed=stream.size if stream and stream.content_type else None,
            ),
            len(request.payload) + len(invocation.payload) + len(invocation.log),
        )

    def refused(
        self,
        function: Function,
        payload: bytes,
        caused_by: str | None,
        cause: Cause | None,
        reason: LampworkError,
    ) -> None:
        self._last += 1
        now = self._clock()
        noted = Ended(
            *(self._last, function, payload, now, now, time.time(), caused_by, "", cause, None),
            refusal=reason,
        )
        self._note(noted, len(payload))

    def sent(
        self,
        method: str,
        api: str,
        connection_id: str,
        content: bytes,
        status: int,
        caused_by: str | None,
    ) -> None:
        self._last += 1
        now = time.time()
        noted = Sent(self._last, method, api, connection_id, content, status, now, caused_by)
        self._note(noted, len(content))

    def _note(self, noted: Ended | Sent, size: int) -> None:
        self._waiting.append(noted)
        self._waiting_bytes += size
        while len(self._waiting) > self._most or (
            self._waiting_bytes > MOST_WAITING_BYTES and len(self._waiting) > 1
        ):
            self._waiting_bytes -= _size(self._waiting.popleft())

    # Who reads

    async def newest(self, wanted: Wanted) -> list[Entry]:
        """As `Store.newest`."""
        return await self._read(lambda: self._store.newest(wanted))

    async def one(self, number: int) -> Entry | None:
        return await self._read(lambda: self._store.one(number))

    async def trace(self, trace: str) -> list[Entry]:
        """As `Store.trace`."""
        return await self._read(lambda: self._store.trace(trace))

    async def functions(self) -> list[str]:
        return await self._read(self._store.functions)

    async def forget_all(self) -> None:
        await self._read(self._store.forget_all)
        self._originals.clear()
        self._original_bytes = 0

    def event_to_send(self, entry: Entry, edited: Any) -> tuple[Any, list[str]]:
        """The event of a replay, and the paths at which it still has masks.

        `edited` is the entry's event with its masks, or what somebody has made of it. What it still
        masks is put back as long as this process knows it.
        """
        original = self._originals.get(entry.id)
        event = edited if original is None else unmasked(edited, parsed(original))
        return event, masks_in(event)

    async def _read(self, read: Callable[[], T]) -> T:
        await self._look_at_all()
        return await asyncio.to_thread(read)

    # Who keeps

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(IDLE_SECONDS)
            while self._waiting:
                began = time.perf_counter()
                await self._look_at(BATCH)
                rest = (time.perf_counter() - began) * REST
                await asyncio.sleep(min(max(rest, SHORTEST_REST), LONGEST_REST))

    async def _look_at_all(self) -> None:
        while self._waiting:
            await self._look_at(BATCH * 4)

    async def _look_at(self, number: int) -> None:
        async with self._looking:
            entries: list[Entry] = []
            while self._waiting and len(entries) < number:
                noted = self._waiting.popleft()
                self._waiting_bytes -= _size(noted)
                entry = entry_of(noted, masks=self._masks)
                entries.append(entry)
                if entry.masked and isinstance(noted, Ended):
                    self._remember(noted.number, noted.payload)
            if entries:
                await self._write(entries)

    async def _write(self, entries: list[Entry]) -> None:
        try:
            await asyncio.to_thread(self._store.write, entries)
        except HistoryUnavailable as error:  # such as a full disk: functions run on without it
            if not self._fails:
                logger.warning("the history cannot be written", extra={"reason": str(error)})
            self._fails = True
        else:
            self._fails = False

    def _remember(self, number: int, payload: bytes) -> None:
        self._originals[number] = payload
        self._original_bytes += len(payload)
        while self._original_bytes > MOST_ORIGINAL_BYTES:
            _, oldest = self._originals.popitem(last=False)
            self._original_bytes -= len(oldest)


def _size(noted: Ended | Sent) -> int:
    if isinstance(noted, Sent):
        return len(noted.content)
    invocation = noted.invocation
    answered = len(invocation.payload) + len(invocation.log) if invocation else 0
    return len(noted.payload) + answered
