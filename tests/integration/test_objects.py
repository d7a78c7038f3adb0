"""What is stored can be read again, and what is not is told, whatever the store does."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from shared import objects
from shared.loop import run
from shared.once import forget
from tests.services import BUCKET, objects_stored

KEY = "tasks/a b+ü/1.png"


def put() -> None:
    run(objects.put(KEY, b"a picture", content_type="image/png"))


@pytest.fixture
def store_at(backend: pytest.MonkeyPatch) -> Callable[[str], None]:
    def use(url: str) -> None:
        backend.setenv("AWS_ENDPOINT_URL", url)
        forget()

    return use


@asynccontextmanager
async def answering(*statuses: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A store that gives these answers in turn, and the bodies it was sent."""
    left, bodies = list(statuses), list[bytes]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split()[0])
        bodies.append(await reader.readexactly(length))
        writer.write(
            b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % left.pop(0)
        )
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", bodies


@pytest.mark.usefixtures("backend")
def test_an_object_is_read_as_it_was_stored():
    put()

    link = objects.link(KEY, content_type="image/png", file_name="x.png")
    answer = httpx.get(link)
    assert (answer.content, answer.headers["content-type"]) == (b"a picture", "image/png")
    assert objects_stored() == [KEY]


@pytest.mark.usefixtures("backend")
def test_a_large_object_is_stored_whole():
    picture = bytes(range(256)) * 40_000

    run(objects.put(KEY, picture, content_type="image/png"))

    link = objects.link(KEY, content_type="image/png", file_name="x.png")
    assert httpx.get(link).content == picture


def test_a_store_that_was_busy_is_asked_again(store_at):
    async def scenario() -> list[bytes]:
        async with answering(503, 200) as (url, bodies):
            store_at(url)
            await objects.put(KEY, b"a picture", content_type="image/png")
            return bodies

    assert run(scenario()) == [b"a picture"] * 2


def test_a_store_that_refuses_twice_has_not_stored(store_at):
    async def scenario() -> None:
        async with answering(503, 404) as (url, _):
            store_at(url)
            await objects.put(KEY, b"a picture", content_type="image/png")

    with pytest.raises(objects.ObjectStoreUnavailable, match=f"{BUCKET}.* 404"):
        run(scenario())


def test_a_store_nobody_answers_for_has_not_stored(store_at):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    store_at(f"http://127.0.0.1:{port}")

    with pytest.raises(objects.ObjectStoreUnavailable):
        put()
