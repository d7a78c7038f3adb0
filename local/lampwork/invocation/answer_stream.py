"""A streamed answer on its way from a function to whoever reads it."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from lampwork.invocation.limits import MAX_STREAMED_RESPONSE

# How much waits here for a slow reader, in bytes, before the function has to wait too.
HIGH_WATER: Final = 256 * 1024


class AnswerStream:
    """What runs a function writes its answer here piece by piece, while a caller reads it.

    A function that does not stream leaves it empty: `content_type` is None, and the invocation has
    the answer. With the other one, a reader's or a writer's end, nothing is lost that came before.
    """

    def __init__(self, *, limit: int = MAX_STREAMED_RESPONSE) -> None:
        self.content_type: str | None = None
        self.size = 0
        self._limit = limit
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._ended = False
        self._left = False
        self._changed = asyncio.Event()
        self._on_room: Callable[[], None] | None = None

    # Who writes

    def begin(self, content_type: str) -> None:
        self.content_type = content_type

    def write(self, piece: bytes) -> None:
        self.size += len(piece)
        if self._left or not piece:
            return
        self._pieces.append(piece)
        self._held += len(piece)
        self._changed.set()

    def end(self) -> None:
        """No further piece comes."""
        self._ended = True
        self._changed.set()

    @property
    def is_too_large(self) -> bool:
        return self.size > self._limit

    def pause(self, until_room: Callable[[], None]) -> bool:
        """Whether the writer has to wait, which `until_room` then ends."""
        if self._held < HIGH_WATER:
            return False
        self._on_room = until_room
        return True

    # Who reads

    async def begun(self) -> None:
        """Wait for the first piece or, where there is none, for the end."""
        while not self._pieces and not self._ended:
            self._changed.clear()
            await self._changed.wait()

    async def piece(self) -> bytes:
        """The next piece; empty after the last one."""
        await self.begun()
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        self._held -= len(piece)
        if self._held < HIGH_WATER // 2:
            self._let_write()
        return piece

    def whole(self) -> bytes:
        """All that has been written and not been read."""
        return b"".join(self._pieces)

    def leave(self) -> None:
        """Read no further. The function runs on: what it still writes is dropped."""
        self._left = True
        self._pieces.clear()
        self._held = 0
        self._let_write()

    def _let_write(self) -> None:
        then, self._on_room = self._on_room, None
        if then is not None:
            then()
