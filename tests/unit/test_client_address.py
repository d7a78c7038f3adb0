from collections.abc import Iterator

import pytest

from shared.security.client_address import is_loopback_host, network, resolve
from shared.singletons import forget_singletons

PROXY, OTHER_PROXY = "10.0.0.7", "2001:db8:ffff::1"
CLIENT = "203.0.113.9"


@pytest.fixture(autouse=True)
def trusted_proxies(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TRUSTED_PROXY_CIDRS", "10.0.0.0/8, 2001:db8:ffff::/48")
    forget_singletons()
    yield
    forget_singletons()


def forwarded(text: str) -> dict[str, str]:
    return {"x-forwarded-for": text, "x-real-ip": "192.0.2.66", "forwarded": "for=192.0.2.66"}


def test_a_header_from_an_untrusted_peer_is_ignored():
    assert resolve(forwarded("192.0.2.66"), peer=CLIENT) == CLIENT
    assert resolve(forwarded(f"192.0.2.66, {CLIENT}"), peer=CLIENT) == CLIENT


@pytest.mark.parametrize(
    "hops",
    [
        CLIENT,
        f"{CLIENT}, {PROXY}",
        f"192.0.2.66, {CLIENT}, {OTHER_PROXY}, {PROXY}",
        f"garbage, {CLIENT}, {PROXY}",
        f"{PROXY},{CLIENT}",
    ],
)
def test_behind_trusted_proxies_the_first_untrusted_address_from_the_right_is_the_client(hops: str):
    assert resolve(forwarded(hops), peer=PROXY) == CLIENT


@pytest.mark.parametrize("hops", ["garbage", f"{CLIENT}, garbage", f"{CLIENT}:8080", ", ,"])
def test_the_peer_is_the_client_when_the_header_holds_no_address(hops: str):
    assert resolve(forwarded(hops), peer=PROXY) == PROXY


def test_a_request_that_a_trusted_proxy_sends_itself_has_the_proxys_address():
    assert resolve({}, peer=OTHER_PROXY) == OTHER_PROXY
    assert resolve(forwarded(PROXY), peer=PROXY) == PROXY


def test_an_ipv4_address_mapped_into_ipv6_is_the_same_address():
    assert resolve({}, peer=f"::ffff:{CLIENT}") == CLIENT
    assert resolve(forwarded(CLIENT), peer=f"::ffff:{PROXY}") == CLIENT


@pytest.mark.parametrize("peer", [None, "", "somewhere"])
def test_a_request_without_an_address_is_reported_to_the_operator(
    peer: str | None, caplog: pytest.LogCaptureFixture
):
    assert resolve(forwarded(CLIENT), peer=peer) is None
    assert "without an address" in caplog.text


def test_one_household_counts_as_one():
    assert network("2001:db8:1:2:aaaa::1") == network("2001:db8:1:2:bbbb::2")
    assert network("2001:db8:1:2::1") != network("2001:db8:1:3::1")
    assert network("203.0.113.9") != network("203.0.113.10")


def test_requests_without_an_address_share_one_count():
    assert network(None) == network("somewhere")


@pytest.mark.parametrize(
    "header",
    [
        *("localhost", "LOCALHOST:8000", "app.localhost", "127.0.0.1:8000", "127.1.2.3"),
        *("[::1]", "[::1]:8000", "[::ffff:127.0.0.1]:80"),
    ],
)
def test_a_host_that_only_this_machine_can_have_is_loopback(header: str):
    assert is_loopback_host(header)


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "evil.example", "localhost.evil.example:80", "127.0.0.1.evil.example"),
        *("notlocalhost", "192.168.1.20:8000", "0.0.0.0", "[::1", "localhost@evil.example", "::1"),
    ],
)
def test_any_other_host_is_not(header: str | None):
    assert not is_loopback_host(header)
