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
from lampwork.stack.model import CloudResource

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
def connection(aws: EmbeddedAws) -> Iterator[HTTPConnection]:
    """A connection that is opened only once, so that it raises after the server has closed it."""
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


async def test_one_connection_serves_request_after_request(connection: HTTPConnection) -> None:
    assert ask(connection, "PUT", "/pictures/a", b"first") == (200, b"")
    assert ask(connection, "GET", "/pictures/a") == (200, b"first")
    assert ask(connection, "GET", "/pictures/missing")[0] == 404
    assert ask(connection, "DELETE", "/pictures/a") == (204, b"")
    assert ask(connection, "GET", "/pictures/a")[0] == 404


async def test_an_answer_to_head_has_no_body_that_the_next_answer_begins_with(
    connection: HTTPConnection,
) -> None:
    ask(connection, "PUT", "/pictures/a", b"first")

    connection.request("HEAD", "/pictures/a", headers=SIGNED)
    head = connection.getresponse()
    assert (head.read(), head.headers["content-length"]) == (b"", "5")
    assert ask(connection, "GET", "/pictures/a") == (200, b"first")


async def test_a_chunked_body_ends_with_its_last_chunk(connection: HTTPConnection) -> None:
    connection.request(
        "PUT", "/pictures/chunks", iter([b"fir", b"st"]), SIGNED, encode_chunked=True
    )
    assert connection.getresponse().read() == b""

    assert ask(connection, "GET", "/pictures/chunks") == (200, b"first")


async def test_a_client_that_expects_100_continue_gets_it(aws: EmbeddedAws) -> None:
    signature = f"Authorization: {SIGNED['Authorization']}\r\n"
    fields = f"Host: localhost\r\n{signature}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(aws.address, timeout=30) as client:
        client.sendall(f"PUT /pictures/a HTTP/1.1\r\n{fields}".encode())
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"first")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("hosts", ["", "Host: localhost\r\nHost: elsewhere\r\n"])
async def test_a_request_needs_exactly_one_host_header(aws: EmbeddedAws, hosts: str) -> None:
    with socket.create_connection(aws.address, timeout=30) as client:
        client.sendall(f"GET /pictures HTTP/1.1\r\n{hosts}\r\n".encode())
        answer = client.makefile("rb").read()

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nConnection: close\r\n" in answer


async def test_an_incomplete_upload_is_not_stored(
    aws: EmbeddedAws, connection: HTTPConnection
) -> None:
    with socket.create_connection(aws.address, timeout=30) as client:
        client.sendall(
            b"PUT /pictures/half HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nfir"
        )
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""

    assert ask(connection, "GET", "/pictures/half")[0] == 404


async def test_the_connection_closes_for_a_client_that_does_not_keep_it(aws: EmbeddedAws) -> None:
    for request in (
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ):
        with socket.create_connection(aws.address, timeout=30) as client:
            client.sendall(request)
            answer = client.makefile("rb").read()
        assert b"\r\nConnection: close\r\n" in answer


@pytest.mark.parametrize(
    "header", ["Content-Length: -5", "Content-Length: five", "Transfer-Encoding: chunked"]
)
async def test_a_body_without_a_valid_length_is_refused(aws: EmbeddedAws, header: str) -> None:
    with socket.create_connection(aws.address, timeout=30) as client:
        request = f"PUT /pictures/a HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\nfirst\r\n"
        client.sendall(request.encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 400 ")
