"""A provider of pictures on a port of its own, which behaves as well or as badly as a test
wants."""

import asyncio
import base64
import io
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from PIL import Image as Pictures


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


Behaviour = Callable[[Asked, asyncio.StreamWriter], Coroutine[Any, Any, None]]


@dataclass
class FakeProvider:
    """Behaves at each request as `behaviour` says, and notes what it was asked."""

    origin: str
    behaviour: Behaviour
    asked: list[Asked] = field(default_factory=list)
    was_asked: asyncio.Event = field(default_factory=asyncio.Event)
    was_left: asyncio.Event = field(default_factory=asyncio.Event)

    _serving: set[asyncio.Task[Any]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving = asyncio.current_task()
        assert serving
        self._serving.add(serving)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._answer(reader, writer)
        finally:
            writer.transport.abort() if self.was_left.is_set() else writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            self._serving.discard(serving)

    async def end(self) -> None:
        """Wait until nothing is open any more."""
        for serving in self._serving:
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await _read(reader)
        self.asked.append(asked)
        self.was_asked.set()
        behaving = asyncio.create_task(self.behaviour(asked, writer))
        leaving = asyncio.create_task(reader.read(1))
        await asyncio.wait((behaving, leaving), return_when=asyncio.FIRST_COMPLETED)
        if leaving.done():
            self.was_left.set()
        for task in (behaving, leaving):
            task.cancel()
        await asyncio.gather(behaving, leaving, return_exceptions=True)


@asynccontextmanager
async def providing(
    behaviour: Behaviour, tls: ssl.SSLContext | None = None
) -> AsyncIterator[FakeProvider]:
    """A provider that listens on this machine."""
    provider = FakeProvider("", behaviour)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    provider.origin = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    async with server:
        yield provider
        await provider.end()


def answers(status: int, body: bytes | object = b"", **headers: str) -> Behaviour:
    """Answer with these bytes, or with this as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def behave(asked: Asked, writer: asyncio.StreamWriter) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(content)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode() + content)
        await writer.drain()

    return behave


async def hangs(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drips(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def pours(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    megabyte = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    while True:
        writer.write(megabyte)
        await writer.drain()


async def resets(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


async def breaks_off(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"data": [')
    await writer.drain()


async def babbles(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 mail.example ESMTP\r\n")
    await writer.drain()


def picture_file(width: int, height: int, kind: str = "PNG", mode: str = "RGB") -> bytes:
    """A picture with a red left half and a blue right one."""
    picture = Pictures.new(mode, (width, height), "blue")
    picture.paste("red", (0, 0, width // 2, height))
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def base64_text(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request, *lines = head.rstrip().split("\r\n")
    method, path, _ = request.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Asked(method, path, headers, body)
