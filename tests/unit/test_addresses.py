import pytest

from shared.clients.addresses import ForbiddenAddress, is_loopback, resolve
from shared.generators.port import GenerationFailed
from shared.generators.transport import Transport

FORBIDDEN = [
    "10.0.0.1",
    "127.0.0.1",
    "127.1",
    "0x7f000001",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "fe80::1",
    "fd00::1",
    "fec0::1",
    "::8.8.8.8",
    "64:ff9b:1::8.8.8.8",
    "ff02::1",
    "localhost",
]


@pytest.mark.parametrize("host", FORBIDDEN)
async def test_an_address_that_is_not_public_is_refused_however_it_is_written(host):
    with pytest.raises(ForbiddenAddress):
        await resolve(host, 443, loopback_allowed=False)


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111"])
async def test_connections_go_to_the_public_address_that_was_checked(host):
    assert await resolve(host, 443, loopback_allowed=False) == host


async def test_this_machine_is_allowed_if_the_provider_runs_on_it():
    assert await resolve("127.0.0.1", 80, loopback_allowed=True) == "127.0.0.1"
    with pytest.raises(ForbiddenAddress):
        await resolve("10.0.0.1", 80, loopback_allowed=True)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("localhost", True), ("127.0.0.1", True), ("::1", True), ("example.com", False), ("", False)],
)
def test_this_machine_is_known_by_its_names(host, loopback):
    assert is_loopback(host) == loopback


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/pic", "https://localhost:8443/", "http://8.8.8.8/"]
)
async def test_a_provider_elsewhere_cannot_point_at_this_machine_nor_away_from_tls(url):
    transport = Transport("https://images.example/v1", timeout_seconds=1)

    with pytest.raises(GenerationFailed) as raised:
        await transport.fetch(url)

    assert raised.value.code == "invalid_output"
