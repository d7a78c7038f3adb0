import asyncio
import os
import socket
import ssl
import stat

import httpx
import pytest

from lampwork.errors import StartError
from tests.emulator.fakes import FakeInvoker
from tests.emulator.fronts import running_front, stack

HEALTH = "/_lampwork/health"


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_one_port_serves_plain_and_tls_clients(tmp_path, scheme, host):
    async with running_front(stack(), FakeInvoker(), tmp_path) as front:
        trusted = ssl.create_default_context(cafile=str(front.ca_bundle))
        async with httpx.AsyncClient(verify=trusted) as client:
            response = await client.get(f"{scheme}://{host}:{front.port}{HEALTH}")

    assert response.status_code == 200


async def test_localhost_means_each_of_its_addresses(tmp_path):
    async with (
        running_front(stack(), FakeInvoker(), tmp_path) as front,
        httpx.AsyncClient() as client,
    ):
        found = socket.getaddrinfo("localhost", front.port, type=socket.SOCK_STREAM)
        addresses = {str(address[0]) for *_, address in found}
        hosts = [f"[{address}]" if ":" in address else address for address in addresses]
        answers = [await client.get(f"http://{host}:{front.port}{HEALTH}") for host in hosts]

    assert {response.status_code for response in answers} == {200}


async def test_a_silent_client_keeps_no_other_client_waiting(tmp_path):
    async with running_front(stack(), FakeInvoker(), tmp_path) as front:
        silent = [await asyncio.open_connection("127.0.0.1", front.port) for _ in range(50)]
        async with httpx.AsyncClient() as client:
            response = await client.get(front.origin + HEALTH)
        for _, writer in silent:
            writer.close()
            await writer.wait_closed()

    assert response.status_code == 200


async def test_a_failed_tls_handshake_harms_no_other_client(tmp_path):
    async with running_front(stack(), FakeInvoker(), tmp_path) as front:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.port)
        writer.write(b"\x16 this is no handshake")
        await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await asyncio.gather(writer.wait_closed(), return_exceptions=True)
        async with httpx.AsyncClient() as client:
            response = await client.get(front.origin + HEALTH)

    assert response.status_code == 200


async def test_the_error_for_a_taken_port_says_what_to_do(tmp_path):
    async with running_front(stack(), FakeInvoker(), tmp_path) as front:
        with pytest.raises(StartError, match=rf"Port {front.port} .* in use.*--port"):
            async with running_front(stack(), FakeInvoker(), tmp_path, port=front.port):
                pass


async def test_the_certificate_is_created_once_and_only_this_user_can_read_it(tmp_path):
    async with running_front(stack(), FakeInvoker(), tmp_path) as front:
        first = front.ca_bundle.read_bytes()
    async with running_front(stack(), FakeInvoker(), tmp_path) as front:
        second = front.ca_bundle.read_bytes()

    assert first == second
    files = list((tmp_path / "tls").iterdir())
    assert {stat.S_IMODE(os.stat(file).st_mode) for file in files} == {0o600}
