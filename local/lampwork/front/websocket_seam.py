"""The WebSocket protocol without input and output, taken from the package websockets."""

from typing import Final

from lampwork.seams import Seam, Specimen

WEBSOCKETS: Final = Seam(
    package="websockets",
    floor="17.0",
    ceiling="18",
    calls=(
        "websockets.datastructures.Headers",
        "websockets.exceptions.InvalidHandshake",
        "websockets.frames.Opcode.BINARY",
        "websockets.frames.Opcode.CONT",
        "websockets.frames.Opcode.TEXT",
        "websockets.frames.Frame(opcode, data, fin)",
        "websockets.http11.Request(path, headers, *, method)",
        "websockets.protocol.SEND_EOF",
        "websockets.protocol.State.OPEN",
        "websockets.server.ServerProtocol(*, state, max_size)",
        "websockets.server.ServerProtocol.process_request(self, request)",
        "websockets.server.ServerProtocol.send_text(self, data)",
        "websockets.server.ServerProtocol.send_close(self, code, reason)",
        "websockets.server.ServerProtocol.receive_data(self, data)",
        "websockets.server.ServerProtocol.receive_eof(self)",
        "websockets.server.ServerProtocol.events_received(self)",
        "websockets.server.ServerProtocol.data_to_send(self)",
        "websockets.server.ServerProtocol.fail(self, code, reason)",
    ),
    specimens=(
        Specimen(
            "websockets.server.ServerProtocol",
            (),
            ("close_rcvd", "close_rcvd_then_sent", "close_sent", "state"),
        ),
    ),
)
# This comes before the imports below, because their errors would explain less.
WEBSOCKETS.check()

from websockets.datastructures import Headers  # noqa: E402
from websockets.exceptions import InvalidHandshake  # noqa: E402
from websockets.frames import Frame, Opcode  # noqa: E402
from websockets.http11 import Request  # noqa: E402
from websockets.protocol import SEND_EOF, State  # noqa: E402
from websockets.server import ServerProtocol  # noqa: E402

__all__ = ["SEND_EOF", "Frame", "InvalidHandshake", "Opcode", "State"]


def open_protocol(max_message: int, max_frame: int) -> ServerProtocol:
    """A server's protocol after the handshake. Limits are in bytes, of a message and of a frame."""
    return ServerProtocol(state=State.OPEN, max_size=(max_message, max_frame))


def accept_key(target: str, headers: list[tuple[str, str]], method: str) -> str:
    """The value of the header Sec-WebSocket-Accept that answers this handshake.

    Raises:
        InvalidHandshake: the request is not a valid WebSocket handshake.
    """
    handshake = Request(target, Headers(headers), method=method)
    return ServerProtocol().process_request(handshake)[0]
