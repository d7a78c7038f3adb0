import asyncio
import fcntl
import json
import socket
import termios
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

from lampwork.invocation.limits import MAX_RESPONSE
from lampwork.runtime import frames
from lampwork.runtime.cold_start.import_trace import Import
from lampwork.runtime.read_files import FileUse

OnFiles = Callable[[Sequence[FileUse]], None]
OnStream = Callable[["Begun | Piece"], None]
OnImport = Callable[[Import], None]


def _ignore(said: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Work:
    """One request for the function."""

    request_id: str
    payload: bytes
    function_arn: str
    trace_id: str
    deadline_ms: int
    client_context: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The function is loaded and waits for work."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the function returned or, if `failed`, the error it ended with. Both are JSON."""

    payload: bytes
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Begun:
    """The function streams its answer: pieces come, and an `Answer` ends them."""

    content_type: str


@dataclass(frozen=True, slots=True)
class Piece:
    """The next bytes of a streamed answer."""

    content: bytes


class Channel(asyncio.Protocol):
    """The emulator's end of the socket to one function's process.

    `report` is called with what the process says: that it is ready, or an answer; an init that
    failed is an `Answer` too. `on_files` is called with the files that the process has opened,
    `on_stream` with the pieces of an answer that it streams, and `on_import` with what it imports,
    if it was started to tell.
    """

    def __init__(
        self,
        report: Callable[[Ready | Answer], None],
        on_files: OnFiles,
        on_stream: OnStream = _ignore,
        on_import: OnImport = _ignore,
    ) -> None:
        self._report = report
        self._on_files = on_files
        self._on_stream = on_stream
        self._on_import = on_import
        self._local, self._remote = socket.socketpair()
        self._local.setblocking(False)
        self._received = bytearray()
        self._answer_due = False
        self._paused = False

    @property
    def remote_fd(self) -> int:
        """The file descriptor of the process's end, which stays open here too."""
        return self._remote.fileno()

    @classmethod
    async def open(
        cls,
        report: Callable[[Ready | Answer], None],
        on_files: OnFiles = _ignore,
        on_stream: OnStream = _ignore,
        on_import: OnImport = _ignore,
    ) -> "Channel":
        channel = cls(report, on_files, on_stream, on_import)
        loop = asyncio.get_running_loop()
        await loop.connect_accepted_socket(lambda: channel, channel._local)
        return channel

    def close(self) -> None:
        """Close both ends; `report` is not called again."""
        self._report = self._on_files = self._on_stream = self._on_import = _ignore
        self._remote.close()
        self._transport.abort()

    def send(self, work: Work) -> None:
        """Send the process its next request."""
        self._answer_due = True
        self._transport.write(frames.frame(frames.REQUEST, _headers(work) + b"\n" + work.payload))

    def pause(self) -> None:
        """Read nothing more for now, so that a process that streams has to wait."""
        if not self._paused and not self._transport.is_closing():
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._paused and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    @property
    def has_unread_request(self) -> bool:
        """Whether the process has not read all of the last request yet."""
        return _has_unread(self._remote) or self._transport.get_write_buffer_size() > 0

    @property
    def awaits_answer(self) -> bool:
        """Whether the process has read a request and has sent nothing since, except pieces of a
        streamed answer that have been read or wait for their reader."""
        return (
            self._answer_due
            and not self.has_unread_request
            and (self._paused or not _has_unread(self._local))
        )

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not inherit from asyncio's.
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
            self._handle_frame(kind, body)

    def _handle_frame(self, kind: bytes, body: bytes) -> None:
        match kind:
            case frames.FILES:
                self._on_files(FileUse.from_json(body))
                return
            case frames.PIECE:
                self._on_stream(Piece(body))
                return
            case frames.STREAM:
                self._on_stream(Begun(body.decode("latin-1")))
                return
            case frames.IMPORTS:
                self._on_import(Import.from_json(body))
                return
        self._answer_due = False
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
    about = (work.request_id, work.trace_id, work.function_arn, str(work.deadline_ms))
    return "\t".join((*about, context, work.tenant or "")).encode()


def _has_unread(sock: socket.socket) -> bool:
    """Whether this end has received bytes that nobody has read."""
    if sock.fileno() < 0:  # closed
        return False
    size = bytearray(4)
    fcntl.ioctl(sock.fileno(), termios.FIONREAD, size)
    return any(size)
