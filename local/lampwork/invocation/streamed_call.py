"""Invokes a function for a caller who reads the answer while it is made."""

import asyncio
from typing import Any

from lampwork.invocation.answer_stream import AnswerStream
from lampwork.invocation.port import Invocation, Invoker
from lampwork.invocation.timed_call import IntegrationTimeout


class StreamBroken(Exception):
    """The answer ended in its middle: what the client has is not whole, and it must notice."""


class StreamedCall:
    """One invocation under way. Ask for `begun` first, then for each `piece`.

    `seconds` is the time for all of the answer, which begins anew once a request that had to wait
    for an environment gets one; `idle_seconds` is the time between two pieces. After either the
    function runs on, as on AWS; only the rest of its answer is lost.
    """

    def __init__(
        self,
        invoker: Invoker,
        function: str,
        payload: bytes,
        *,
        seconds: float | None = None,
        idle_seconds: float | None = None,
        **options: Any,
    ) -> None:
        self._function = function
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._deadline = None if seconds is None else self._loop.time() + seconds
        self._limit: asyncio.Timeout | None = None  # of who waits for a piece
        self._stream = AnswerStream()
        self._invocation = asyncio.ensure_future(
            invoker.invoke(function, payload, stream=self._stream, on_begin=self._begin, **options)
        )
        self._invocation.add_done_callback(self._ended)

    @property
    def content_type(self) -> str | None:
        """What the function streams; None if it does not stream."""
        return self._stream.content_type

    async def begun(self) -> Invocation | None:
        """Wait for the first piece. The whole invocation if there is none.

        Raises:
            IntegrationTimeout: nothing came in time.
            LampworkError: as in `Invoker.invoke`.
        """
        try:
            async with asyncio.timeout_at(self._next_deadline()) as self._limit:
                await self._stream.begun()
        except TimeoutError as error:
            self.leave()
            raise IntegrationTimeout(f"{self._function} sent nothing in time.") from error
        except asyncio.CancelledError:
            self.leave()
            raise
        finally:
            self._limit = None
        if self._invocation.done() and not self._stream.size:
            return self._invocation.result()
        return None

    async def piece(self) -> bytes:
        """The next piece; empty after the last one.

        Raises:
            StreamBroken: the function failed, or took too long.
        """
        try:
            async with asyncio.timeout_at(self._next_deadline()):
                piece = await self._stream.piece()
        except TimeoutError as error:
            self.leave()
            raise StreamBroken(f"{self._function} took too long for its stream.") from error
        if not piece and (failure := (await self.ended()).failure):
            raise StreamBroken(failure)
        return piece

    async def ended(self) -> Invocation:
        """The invocation, once it has ended."""
        return await self._invocation

    def leave(self) -> None:
        """Read no further; the function runs on."""
        self._stream.leave()

    def _begin(self) -> None:
        if self._seconds is not None:
            self._deadline = self._loop.time() + self._seconds
        if self._limit is not None:
            self._limit.reschedule(self._next_deadline())

    def _next_deadline(self) -> float | None:
        limits = [] if self._deadline is None else [self._deadline]
        if self._idle_seconds is not None:
            limits.append(self._loop.time() + self._idle_seconds)
        return min(limits, default=None)

    def _ended(self, invocation: "asyncio.Future[Invocation]") -> None:
        if not invocation.cancelled():
            invocation.exception()  # whoever has left does not ask for it
        self._stream.end()
