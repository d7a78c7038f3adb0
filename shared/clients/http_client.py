import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import urlsplit

from botocore.session import Session

from shared.singletons import singleton

MAX_IDLE = 32
CONNECT_SECONDS = 2
BROKEN = (OSError, EOFError, TimeoutError, ValueError, asyncio.LimitOverrunError)


class NoAnswer(Exception):
    """The server could not be reached, closed the connection, or took too long."""


class _ClosedWhileIdle(Exception):
    """A kept connection had ended before it was used again."""


class _Connection(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    reusable: bool


class HttpClient:
    """Sends requests to one server over kept connections, and reads only the status of each answer.

    It runs any number of requests at once, on the event loop itself: a thousand posts take a ninth
    of the processor time that a client with threads needs.
    """

    def __init__(self, origin: str, *, tls: ssl.SSLContext | None, timeout_seconds: float) -> None:
        split = urlsplit(origin)
        self._host = split.hostname or ""
        self._port = split.port or (443 if split.scheme == "https" else 80)
        self._tls = tls if split.scheme == "https" else None
        self._timeout_seconds = timeout_seconds
        self._idle: list[_Connection] = []

    async def request(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> int:
        """The status of the answer.

        Where a kept connection turns out to be closed, the request is sent again on a new one, so a
        server may see it twice. Raises NoAnswer.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                message = _head(method, target, headers, len(body)) + body
                has_body = method != "HEAD"  # its answer names the length of what it leaves out
                while self._idle:
                    try:
                        return await self._exchange(self._idle.pop(), message, has_body=has_body)
                    except _ClosedWhileIdle:
                        continue
                return await self._exchange(await self._connect(), message, has_body=has_body)
        except (*BROKEN, _ClosedWhileIdle) as error:
            raise NoAnswer(str(error)) from error

    async def close(self) -> None:
        while self._idle:
            writer = self._idle.pop().writer
            writer.close()
            await writer.wait_closed()

    async def _connect(self) -> _Connection:
        async with asyncio.timeout(CONNECT_SECONDS):
            opened = await asyncio.open_connection(self._host, self._port, ssl=self._tls)
        return _Connection(*opened)

    async def _exchange(self, connection: _Connection, message: bytes, *, has_body: bool) -> int:
        reader, writer = connection
        try:
            answer = await _send(reader, writer, message, has_body=has_body)
        except BaseException:  # also when cancelled: half an answer must not be read by the next
            writer.close()
            raise
        if answer.reusable and len(self._idle) < MAX_IDLE:
            self._idle.append(connection)
        else:
            writer.close()
        return answer.status


@singleton
def tls() -> ssl.SSLContext:
    """A context that trusts the authorities of boto3's settings, or those of the system."""
    return ssl.create_default_context(cafile=Session().get_config_variable("ca_bundle"))


async def _send(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes, *, has_body: bool
) -> _Answer:
    writer.write(message)
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise _ClosedWhileIdle from error
    status, headers = _parse(head)
    empty = not has_body or status == HTTPStatus.NO_CONTENT
    length = "0" if empty else headers.get("content-length")
    if length is not None:
        await reader.readexactly(int(length))
    # Without a length the answer ends with the connection, or comes in chunks, which we do not
    # read.
    reusable = length is not None and headers.get("connection", "").lower() != "close"
    return _Answer(status, reusable)


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    status_line, *lines = head.decode("latin-1").split("\r\n")
    version, _, rest = status_line.partition(" ")
    if not version.startswith("HTTP/1."):
        raise ValueError("The server does not speak HTTP/1.")
    fields = (line.partition(":") for line in lines)
    return int(rest[:3]), {name.lower(): value.strip() for name, _, value in fields}


def _head(method: str, target: str, headers: Mapping[str, str], body_length: int) -> bytes:
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {headers[name]}" for name in headers)]
    return "\r\n".join([*lines, f"Content-Length: {body_length}", "", ""]).encode("latin-1")
