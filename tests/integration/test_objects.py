"""Stored objects can be read again, and a failure to store is reported, whatever the store does."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import boto3
import httpx
import pytest
from botocore.config import Config

from shared.clients import objects
from shared.process.event_loop import run
from shared.singletons import forget_singletons
from tests.services import BUCKET, objects_stored

KEY = "tasks/a b+ü/1.png"


def put() -> None:
    run(objects.put(KEY, b"a picture", content_type="image/png"))


@pytest.fixture
def store_at(backend: pytest.MonkeyPatch) -> Callable[[str], None]:
    def use(url: str) -> None:
        backend.setenv("AWS_ENDPOINT_URL", url)
        forget_singletons()

    return use


@dataclass
class Sent:
    """A request as the store received it."""

    head: bytes
    body: bytes

    def header(self, name: bytes) -> bytes:
        return self.head.lower().partition(name + b": ")[2].partition(b"\r\n")[0]


@asynccontextmanager
async def answering(*statuses: int) -> AsyncIterator[tuple[str, list[Sent]]]:
    """A store that gives these answers in turn, and the requests it received."""
    left, sent = list(statuses), list[Sent]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = Sent(await reader.readuntil(b"\r\n\r\n"), b"")
        head.body = await reader.readexactly(int(head.header(b"content-length")))
        sent.append(head)
        status = left.pop(0)
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", sent


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


def test_a_request_to_a_busy_store_is_repeated(store_at):
    async def scenario() -> list[Sent]:
        async with answering(503, 200) as (url, sent):
            store_at(url)
            await objects.put(KEY, b"a picture", content_type="image/png")
            return sent

    assert [each.body for each in run(scenario())] == [b"a picture"] * 2


@pytest.mark.parametrize("path", ["", "/storage/v1/s3", "/storage/"])
def test_a_picture_is_signed_and_sent_as_boto3_would(store_at, monkeypatch, path):
    now = datetime(2026, 4, 21, 15, 8, 21, tzinfo=UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: now)
    monkeypatch.setattr("botocore.compat.get_current_datetime", lambda: now)
    config = Config(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")

    async def scenario() -> list[Sent]:
        async with answering(200, 200) as (url, sent):
            store_at(url + path)
            await objects.put(KEY, b"a picture", content_type="image/png")
            await asyncio.to_thread(
                boto3.client("s3", config=config).put_object,
                Bucket=BUCKET,
                Key=KEY,
                Body=b"a picture",
                ContentType="image/png",
            )
            return sent

    ours, theirs = run(scenario())

    assert ours.head.split(b"\r\n")[0] == theirs.head.split(b"\r\n")[0]
    assert ours.header(b"authorization") == theirs.header(b"authorization") != b""


def test_storing_fails_when_the_store_refuses_twice(store_at):
    async def scenario() -> None:
        async with answering(503, 404) as (url, _):
            store_at(url)
            await objects.put(KEY, b"a picture", content_type="image/png")

    with pytest.raises(objects.ObjectStoreUnavailable, match=f"{BUCKET}.* 404"):
        run(scenario())


def test_storing_fails_when_no_store_answers(store_at):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    store_at(f"http://127.0.0.1:{port}")

    with pytest.raises(objects.ObjectStoreUnavailable):
        put()


def test_a_bucket_that_is_there_is_well_however_often_it_is_asked(backend):
    for _ in range(3):
        run(objects.check())


def test_a_bucket_that_is_missing_is_told_as_unavailable(backend):
    backend.setenv("RESULTS_BUCKET", "missing")
    forget_singletons()

    with pytest.raises(objects.ObjectStoreUnavailable):
        run(objects.check())
