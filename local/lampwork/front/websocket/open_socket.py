"""One open WebSocket: reads frames and sends messages, within API Gateway's limits."""

import asyncio
from collections.abc import Callable
from typing import Protocol

from lampwork.clock import CLOCK
from lampwork.front.websocket_seam import SEND_EOF, Frame, Opcode, State, open_protocol

# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
MAX_FRAME = 32 * 1024
MAX_MESSAGE = 128 * 1024
IDLE_SECONDS = 10 * 60
LIFETIME_SECONDS = 2 * 60 * 60

# A client that has not read this many bytes is disconnected.
MAX_UNSENT = 1024 * 1024
# While this many messages of a client are being handled, nothing more is read from it.
MAX_UNHANDLED = 128
CLOSE_SECONDS = 5

NORMAL = 1000
GOING_AWAY = 1001
UNSUPPORTED = 1003
INVALID_DATA = 1007
ABNORMAL = 1006


class Owner(Protocol):
    """Receives a socket's messages and its end. `ended` is called exactly once.

    The owner calls `Socket.handled` once for each message.
    """

    def received(self, text: str) -> None: ...

    def ended(self, code: int, reason: str) -> None: ...


class Socket(asyncio.Protocol):
    def __init__(
        self, transport: asyncio.Transport, owner: Owner, *, time_scale: float = 1
    ) -> None:
        self._transport = transport
        self._owner = owner
        self._frames = open_protocol(MAX_MESSAGE, MAX_FRAME)
        self._message: list[bytes] = []
        self._unhandled = 0
        self._ended = False
        self._idle_seconds = IDLE_SECONDS * time_scale
        self._active_at = CLOCK.monotonic()
        self._timers = [
            CLOCK.call_later(LIFETIME_SECONDS * time_scale, self._go_away),
            CLOCK.call_later(self._idle_seconds, self._close_if_idle),
        ]

    @property
    def open(self) -> bool:
        return not self._ended

    def send(self, text: str) -> None:
        """Send one text frame. Disconnect the client if it reads too slowly."""
        if self._ended:
            return
        self._active_at = CLOCK.monotonic()
        self._frames.send_text(text.encode())
        self._flush()
        if self._transport.get_write_buffer_size() > MAX_UNSENT:
            self._transport.abort()
            self._end(ABNORMAL, "")

    def close(self, code: int, reason: str = "") -> None:
        if not self._ended:
            self._frames.send_close(code, reason)
            self._flush()

    def handled(self) -> None:
        """Tell the socket that one received message is handled, so that it may read more."""
        self._unhandled -= 1
        if self._unhandled == MAX_UNHANDLED - 1 and not self._transport.is_closing():
            self._transport.resume_reading()

    # asyncio.Protocol

    def data_received(self, data: bytes) -> None:
        self._active_at = CLOCK.monotonic()
        self._frames.receive_data(data)
        for frame in self._frames.events_received():
            if isinstance(frame, Frame) and not self._ended:
                self._received(frame)
        self._flush()

    def eof_received(self) -> None:
        self._frames.receive_eof()
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._end(ABNORMAL, "")
        for timer in self._timers:
            timer.cancel()

    # Frames

    def _received(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self._frames.fail(UNSUPPORTED, "Binary is not supported")
            self._flush()
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT):
            self._message.append(bytes(frame.data))
            if frame.fin:
                self._complete()

    def _complete(self) -> None:
        message = b"".join(self._message)
        self._message.clear()
        try:
            text = message.decode()
        except UnicodeDecodeError:
            self._frames.fail(INVALID_DATA)
            self._flush()
            return
        self._unhandled += 1
        if self._unhandled == MAX_UNHANDLED:
            self._transport.pause_reading()
        self._owner.received(text)

    def _flush(self) -> None:
        for data in self._frames.data_to_send():
            if self._transport.is_closing():
                break
            if data == SEND_EOF:
                self._end_stream()
            else:
                self._transport.write(data)
        if self._frames.state is not State.OPEN and not self._ended:
            self._end(*self._outcome())
            self._later(CLOSE_SECONDS, self._transport.abort)

    def _end_stream(self) -> None:
        # Ends only our direction. A full close would reset the connection of a client that is still
        # sending, and that client would miss the close frame. TLS cannot end one direction alone.
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def _outcome(self) -> tuple[int, str]:
        """The close code and reason of the side that closed first."""
        frames = self._frames
        if frames.close_rcvd is not None and frames.close_rcvd_then_sent:
            return frames.close_rcvd.code, frames.close_rcvd.reason
        if frames.close_sent is not None:
            return frames.close_sent.code, frames.close_sent.reason
        return ABNORMAL, ""

    def _end(self, code: int, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._owner.ended(code, reason)

    # Time

    def _later(self, seconds: float, callback: Callable[[], None]) -> None:
        self._timers.append(CLOCK.call_later(seconds, callback))

    def _go_away(self) -> None:
        self.close(GOING_AWAY, "Going away")

    def _close_if_idle(self) -> None:
        remaining = self._active_at + self._idle_seconds - CLOCK.monotonic()
        if remaining <= 0:
            self._go_away()
        else:
            self._later(remaining, self._close_if_idle)
