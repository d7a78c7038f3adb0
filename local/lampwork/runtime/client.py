"""AWS's own runtime client, over a socket of the emulator's in place of HTTP."""

import json
import os
import socket
import sys
from collections.abc import Callable
from functools import partial

from lampwork.invocation.limits import MAX_RESPONSE
from lampwork.runtime import awslambdaric_seam, frames
from lampwork.runtime.read_files import Recorder, to_json
from lampwork.seams import UnknownVersion


def load(channel: int, recorder: Recorder) -> Callable[[str], None]:
    """Import awslambdaric, to serve the socket `channel`. The emulator is told which files the
    process has opened by what the `recorder` notes.

    What is returned loads a function, by its handler's name, and serves requests until the process
    ends.
    """
    os.set_inheritable(channel, False)  # nobody else's, even if the function starts a program
    connection = Connection(socket.socket(fileno=channel), recorder)
    _serving.append(connection)
    os.register_at_fork(after_in_child=connection.abandon)
    try:
        return awslambdaric_seam.load(connection, partial(connection.send, frames.INIT_ERROR))
    except UnknownVersion as error:
        told = {"errorType": "Runtime.UnknownVersion", "errorMessage": str(error)}
        connection.send(frames.INIT_ERROR, json.dumps(told).encode())
        sys.exit(f"{error}")


_serving: "list[Connection]" = []


def answer_stream() -> "Connection":
    """The connection of this process, for a handler of ours that streams its answers."""
    return _serving[0]


def tell_import(written: bytes) -> None:
    """Tell the emulator what this process has imported, as `import_trace` writes it."""
    _serving[0].send(frames.IMPORTS, written)


class Connection:
    """What awslambdaric's extension offers, by the same names. An answer of which pieces have been
    written ends when the handler returns or raises; what it returns is then left out."""

    def __init__(self, channel: socket.socket, recorder: Recorder) -> None:
        self._socket = channel
        self._recorder = recorder
        self._reader = channel.makefile("rb")
        self._is_ready = False
        self._streams = False

    def close(self) -> None:
        self._reader.close()
        self._socket.close()

    def abandon(self) -> None:
        """Leave it to the process this one was forked from.

        What a function's child says could pass for the answer to another request.
        """
        if (file := self._socket.detach()) >= 0:  # else a child of a child's
            os.close(file)

    def send(self, kind: bytes, body: bytes = b"") -> None:
        self._socket.sendall(frames.frame(kind, body))

    def begin_stream(self, content_type: str) -> None:
        """Stream the answer of the request under way."""
        self._streams = True
        self.send(frames.STREAM, content_type.encode("latin-1"))

    def write_piece(self, piece: bytes) -> None:
        """Waits while the emulator has no room for more."""
        self.send(frames.PIECE, piece)

    def _tell_files(self) -> None:
        """Before the answer of a request: with the answer, the request is over for the emulator."""
        if self._recorder.new:
            self.send(frames.FILES, to_json(self._recorder.taken()))

    def initialize_client(self, user_agent: str) -> None:
        pass

    def next(self) -> tuple[bytes, dict[str, str | int]]:
        """Wait for the next request: its event and its headers."""
        self._tell_files()
        if not self._is_ready:
            self._is_ready = True
            self.send(frames.READY)
        header = self._reader.read(frames.HEADER.size)
        if len(header) < frames.HEADER.size:
            self.close()
            sys.exit()  # the emulator has ended
        _, length = frames.HEADER.unpack(header)
        head, _, event = self._reader.read(length).partition(b"\n")
        return event, _headers(head.decode())

    def post_invocation_result(
        self, request_id: str, result: bytes, content_type: str, invocation_id: str | None
    ) -> None:
        if self._streams:
            self._streams = False
            result = b""
        if len(result) > MAX_RESPONSE:
            sys.stderr.write(
                f"[ERROR] Function.ResponseSizeTooLarge: The function's answer has {len(result)}"
                f" bytes; Lambda takes {MAX_RESPONSE}.\n"
            )
            sys.stderr.flush()
            self.send(frames.TOO_LARGE)
            sys.exit(1)  # as AWS's own client does
        self._tell_files()
        self.send(frames.RESPONSE, result)

    def post_error(
        self, request_id: str, error: str, xray_fault: str, invocation_id: str | None
    ) -> None:
        self._streams = False
        self._tell_files()
        self.send(frames.ERROR, error.encode())


def _headers(head: str) -> dict[str, str | int]:
    """As the Runtime API over HTTP has them."""
    request_id, trace_id, function_arn, deadline_ms, context, tenant = head.split("\t")
    headers: dict[str, str | int] = {
        "Content-Type": "application/json",
        "Lambda-Runtime-Aws-Request-Id": request_id,
        "Lambda-Runtime-Deadline-Ms": int(deadline_ms),
        "Lambda-Runtime-Invoked-Function-Arn": function_arn,
        "Lambda-Runtime-Trace-Id": trace_id,
    }
    if context:
        headers["Lambda-Runtime-Client-Context"] = json.loads(context)
    if tenant:
        headers["Lambda-Runtime-Aws-Tenant-Id"] = tenant
    return headers
