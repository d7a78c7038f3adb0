"""How the embedded AWS speaks HTTP to clients that keep their connections, as boto3's do."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from http.client import HTTPConnection

import httpx
import pytest
import pytest_asyncio

from lampwork.companions.aws import EmbeddedAws
from lampwork.model import CloudResource

pytestmark = pytest.mark.asyncio(loop_scope="module")

SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request,"
    " SignedHeaders=host, Signature=unchecked"
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def aws(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[EmbeddedAws]:
    service = EmbeddedAws(tmp_path_factory.mktemp("aws"), lambda _name, _line: None, "us-east-1")
    await service.start()
    await service.create([CloudResource("AWS::S3::Bucket", "Pictures", "pictures")])
    await asyncio.to_thread(httpx.get, f"{service.url}/pictures", timeout=60)  # it starts
    yield service
    await service.stop()


@pytest.fixture
def kept(aws: EmbeddedAws) -> Iterator[HTTPConnection]:
    """A connection that is opened once: it raises once the server has closed it."""
    with closing(HTTPConnection(*aws.address, timeout=30)) as connection:
        connection.connect()
        connection.auto_open = 0
        yield connection


def ask(
    connection: HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, bytes]:
    connection.request(method, path, body, SIGNED)
    answer = connection.getresponse()
    return answer.status, answer.read()


async def test_one_connection_serves_request_after_request(kept: HTTPConnection) -> None:
    assert ask(kept, "PUT", "/pictures/a", b"first") == (200, b"")
    assert ask(kept, "GET", "/pictures/a") == (200, b"first")
    assert ask(kept, "GET", "/pictures/missing")[0] == 404
    assert ask(kept, "DELETE", "/pictures/a") == (204, b"")
    assert ask(kept, "GET", "/pictures/a")[0] == 404


async def test_the_head_of_an_object_is_no_body_that_the_next_request_reads(
    kept: HTTPConnection,
) -> None:
    ask(kept, "PUT", "/pictures/a", b"first")

    kept.request("HEAD", "/pictures/a", headers=SIGNED)
    head = kept.getresponse()
    assert (head.read(), head.headers["content-length"]) == (b"", "5")
    assert ask(kept, "GET", "/pictures/a") == (200, b"first")


async def test_a_body_in_chunks_ends_where_its_last_chunk_does(kept: HTTPConnection) -> None:
    kept.request("PUT", "/pictures/chunks", iter([b"fir", b"st"]), SIGNED, encode_chunked=True)
    assert kept.getresponse().read() == b""

    assert ask(kept, "GET", "/pictures/chunks") == (200, b"first")


async def test_a_client_that_asks_to_be_told_to_go_on_is_told(aws: EmbeddedAws) -> None:
    signature = f"Authorization: {SIGNED['Authorization']}\r\n"
    fields = f"Host: localhost\r\n{signature}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(aws.address, timeout=30) as client:
        client.sendall(f"PUT /pictures/a HTTP/1.1\r\n{fields}".encode())
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"first")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


async def test_half_an_upload_is_not_stored(aws: EmbeddedAws, kept: HTTPConnection) -> None:
    with socket.create_connection(aws.address, timeout=30) as client:
        client.sendall(
            b"PUT /pictures/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nfir"
        )
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""

    assert ask(kept, "GET", "/pictures/half")[0] == 404


async def test_who_wants_no_connection_kept_gets_none(aws: EmbeddedAws) -> None:
    for request in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"):
        with socket.create_connection(aws.address, timeout=30) as client:
            client.sendall(request)
            answer = client.makefile("rb").read()
        assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize("length", ["-5", "five"])
async def test_a_length_that_is_none_is_refused(aws: EmbeddedAws, length: str) -> None:
    with socket.create_connection(aws.address, timeout=30) as client:
        head = (
            f"PUT /pictures/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\nfirst"
        )
        client.sendall(head.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://203.0.113.7"},
        {"Origin": "null"},
        {"Host": "evil.example"},
    ],
)
async def test_a_page_of_another_site_reaches_nothing(
    aws: EmbeddedAws, kept: HTTPConnection, headers: dict[str, str]
) -> None:
    ask(kept, "PUT", "/pictures/mine", b"a picture")

    async with httpx.AsyncClient(base_url=aws.url, headers=headers) as page:
        reset = await page.post("/moto-api/reset", content=b"GET / HTTP/1.1\r\n\r\n")
        read = await page.get("/pictures/mine")

    assert (reset.status_code, read.status_code) == (403, 403)
    assert ask(kept, "GET", "/pictures/mine") == (200, b"a picture")


async def test_the_address_of_a_picture_is_no_operation_for_another_site(aws: EmbeddedAws) -> None:
    async with httpx.AsyncClient(base_url=aws.url) as page:
        picture = {"Sec-Fetch-Site": "cross-site"}
        answer = await page.get("/?Action=CreateQueue&QueueName=theirs", headers=picture)

    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:5173", "[::1]:80", "app.localhost"])
async def test_a_page_of_this_machine_may_put_an_object(aws: EmbeddedAws, host: str) -> None:
    async with httpx.AsyncClient(base_url=aws.url, headers={"Origin": f"http://{host}"}) as page:
        answer = await page.put("/pictures/page", content=b"drawn", headers=SIGNED)

    assert answer.status_code == 200
