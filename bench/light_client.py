"""A client that needs little CPU: on two cores, a heavier one would distort the figures."""

import asyncio
import base64
import os
import struct
from collections.abc import Mapping
from typing import cast

NO_MASK = b"\0\0\0\0"  # RFC 6455 requires a mask; zeroes leave the text unchanged
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10  # opcodes


class LightConnection(asyncio.Protocol):
    """One connection, to send bytes and await complete answers one at a time."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._more = asyncio.Event()
        self._is_lost = False

    @classmethod
    async def open(cls, port: int) -> "LightConnection":
        _, connection = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        self._more.set()

    def connection_lost(self, _error: Exception | None) -> None:
        self._is_lost = True
        self._more.set()

    def send(self, data: bytes) -> None:
        self._transport.write(data)

    async def response(self) -> bytes:
        """Read the head of an HTTP response; its body comes next.

        Raises:
            ConnectionResetError: the server has ended the connection.
        """
        while (end := self._received.find(b"\r\n\r\n")) < 0:
            await self._next_read()
        return self._take(end + 4)

    async def body(self, size: int) -> bytes:
        await self._read_until(size)
        return self._take(size)

    async def frame(self) -> bytes:
        """The payload of a WebSocket frame of less than 64 KB."""
        return (await self._any_frame())[1]

    async def message(self) -> bytes:
        """The payload of the next frame with data; pings are answered (RFC 6455, section 5.5).

        Raises:
            ConnectionResetError: the server has closed the socket.
        """
        while True:
            kind, payload = await self._any_frame()
            if kind == PING:
                self.send(_frame(PONG, payload))
            elif kind == CLOSE:
                code = int.from_bytes(payload[:2], "big")
                raise ConnectionResetError(f"The server closed the socket with {code}.")
            elif kind != PONG:
                return payload

    async def _any_frame(self) -> tuple[int, bytes]:
        """The opcode and the payload of the next frame."""
        await self._read_until(2)
        head = 2
        length = self._received[1]
        if length == 126:
            head = 4
            await self._read_until(head)
            (length,) = struct.unpack_from(">H", self._received, 2)
        await self._read_until(head + length)
        kind = self._received[0] & 0x0F
        return kind, self._take(head + length)[head:]

    def pause(self) -> None:
        """Read nothing until `resume`, so that incoming bytes do not wake this process."""
        self._transport.pause_reading()

    def resume(self) -> None:
        self._transport.resume_reading()

    def close(self) -> None:
        self._transport.abort()

    async def _read_until(self, size: int) -> None:
        while len(self._received) < size:
            await self._next_read()

    async def _next_read(self) -> None:
        if self._is_lost:
            raise ConnectionResetError("The server ended the connection.")
        self._more.clear()
        await self._more.wait()

    def _take(self, size: int) -> bytes:
        taken = bytes(self._received[:size])
        del self._received[:size]
        return taken


async def open_socket(
    port: int, path: str, headers: Mapping[str, str] | None = None
) -> LightConnection:
    """Open a WebSocket.

    Raises:
        ConnectionRefusedError: the server answers with anything but 101; the text is its head.
        ConnectionResetError: the server ended the connection without an answer.
    """
    connection = await LightConnection.open(port)
    key = base64.b64encode(os.urandom(16)).decode()
    more = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    connection.send(
        f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {key}\r\n{more}\r\n".encode()
    )
    answer = await connection.response()
    if b" 101 " not in answer:
        connection.close()
        raise ConnectionRefusedError(answer.decode())
    return connection


def text_frame(text: str) -> bytes:
    """The bytes of a masked text frame, for up to 64 KB of text."""
    return _frame(TEXT, text.encode())


def _frame(kind: int, payload: bytes) -> bytes:
    if len(payload) < 126:
        return struct.pack(">BB", 0x80 | kind, 0x80 | len(payload)) + NO_MASK + payload
    return struct.pack(">BBH", 0x80 | kind, 0x80 | 126, len(payload)) + NO_MASK + payload
