import asyncio
import fcntl
import json
import socket
import termios
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from lampwork.invocation.limits import MAX_RESPONSE
from lampwork.runtime import frames


@dataclass(frozen=True, slots=True)
class Work:
    """One request for the function."""

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str
    deadline_ms: int
    client_context: str | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The function is loaded and waits for work."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the function returned or, if `failed`, the error it ended with; both are JSON."""

    payload: bytes
    failed: bool = False


class Channel(asyncio.Protocol):
    """The emulator's end of one process's socket.

    `report` is told what the process says: ready, an answer, or a failed init (an `Answer` too).
    """

    def __init__(self, report: Callable[[Ready | Answer], None]) -> None:
        self._report = report
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._received = bytearray()
        self._owes_answer = False

    @property
    def remote(self) -> int:
        """The file descriptor for the process to have; it stays open here too."""
        return self._theirs.fileno()

    @classmethod
    async def open(cls, report: Callable[[Ready | Answer], None]) -> "Channel":
        channel = cls(report)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: channel, channel._ours)
        return channel

    def close(self) -> None:
        """Report nothing any more."""
        self._report = _ignore
        self._theirs.close()
        self._transport.abort()

    def offer(self, work: Work) -> None:
        """Hand out this request next."""
        self._owes_answer = True
        self._transport.write(frames.frame(frames.REQUEST, _headers(work) + b"\n" + work.payload))

    @property
    def is_untaken(self) -> bool:
        """Whether the last request, or some of it, still waits to be read."""
        return _unread(self._theirs) or self._transport.get_write_buffer_size() > 0

    @property
    def is_owed_an_answer(self) -> bool:
        """Whether the process has taken a request and has sent nothing since."""
        return self._owes_answer and not self.is_untaken and not _unread(self._ours)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast, since uvloop's transports are asyncio's by shape only.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        size = frames.HEADER.size
        while len(self._received) >= size:
            kind, length = frames.HEADER.unpack_from(self._received)
            if len(self._received) < size + length:
                return
            body = bytes(self._received[size : size + length])
            del self._received[: size + length]
            self._take(kind, body)

    def _take(self, kind: bytes, body: bytes) -> None:
        self._owes_answer = False
        match kind:
            case frames.READY:
                self._report(Ready())
            case frames.RESPONSE:
                self._report(Answer(body))
            case frames.TOO_LARGE:
                self._report(TOO_LARGE)
            case _:
                self._report(Answer(body, failed=True))


TOO_LARGE = Answer(
    b'{"errorMessage":"Response payload size exceeded maximum allowed payload size'
    b' (%d bytes).","errorType":"Function.ResponseSizeTooLarge"}' % MAX_RESPONSE,
    failed=True,
)


def _headers(work: Work) -> bytes:
    context = json.dumps(work.client_context) if work.client_context else ""
    headers = (work.request_id, work.trace_id, work.function_arn, str(work.deadline_ms), context)
    return "\t".join(headers).encode()


def _unread(sock: socket.socket) -> bool:
    """Whether something was sent to this end that nobody has read."""
    if sock.fileno() < 0:  # closed
        return False
    size = bytearray(4)
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, size)
    return any(size)


def _ignore(report: Ready | Answer) -> None:
    pass
