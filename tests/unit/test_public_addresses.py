from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.clients.public_addresses import BLOCKS, is_public

# The first and the last address of each block that IANA calls not globally reachable.
NOT_PUBLIC_ADDRESSES = """
0.0.0.0 0.255.255.255  10.0.0.0 10.255.255.255  100.64.0.0 100.127.255.255
127.0.0.0 127.255.255.255 169.254.0.0 169.254.169.254 169.254.255.255  172.16.0.0 172.31.255.255
192.0.0.0 192.0.0.8 192.0.0.11 192.0.0.170 192.0.0.255  192.0.2.0 192.0.2.255
192.88.99.0 192.88.99.2 192.88.99.255  192.168.0.0 192.168.255.255  198.18.0.0 198.19.255.255
198.51.100.0 198.51.100.255  203.0.113.0 203.0.113.255  224.0.0.0 239.255.255.255  240.0.0.0
255.255.255.255
:: ::1 ::2 ::8.8.8.8 ::ffff:ffff  64:ff9b:1:: 64:ff9b:1::8.8.8.8
64:ff9b:1:ffff:ffff:ffff:ffff:ffff 100:: 100::ffff 100:0:0:1::1  200::1  1fff:ffff::1  2001:1::4
2001:2:: 2001:2:0:ffff::1  2001:5::1
2001:10:: 2001:1f:ffff::1 2001:40::1 2001:1ff:ffff::1  2001:db8:: 2001:db8:ffff::1  3fff::
3fff:fff::1 4000::1  5f00::1  fc00:: fd00::1 fdff:ffff::1  fe80::1 febf::1 fe80::1%eth0
fec0:: fec0::1 feff::1 ff02::1 ffff:ffff::1
"""

PUBLIC_ADDRESSES = """
1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255
169.255.0.0 172.15.255.255 172.32.0.0 191.255.255.255 192.0.0.9 192.0.0.10 192.0.1.0 192.0.3.0
192.31.196.1 192.52.193.1 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 192.175.48.1
198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255
2000:: 2001:1::1 2001:1::2 2001:1::3 2001:3::1 2001:4:112::1 2001:20::1 2001:30::1 2001:200::
2001:db7:ffff::1 2001:db9:: 2003::1 2606:4700::1111 2620:4f:8000::1 2a00:1450::1 3ffe::1 3fff:1000::
"""


@pytest.mark.parametrize("address", NOT_PUBLIC_ADDRESSES.split())
def test_an_address_outside_the_public_internet_is_not_public(address):
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES.split())
def test_an_address_beside_the_special_blocks_is_public(address):
    assert is_public(ip_address(address))


def test_every_block_of_the_table_is_written_once():
    assert len(BLOCKS) == len({str(block) for block in BLOCKS}) > 25


@given(st.ip_addresses(v=4))
@example(IPv4Address("127.0.0.1"))
@example(IPv4Address("169.254.169.254"))
@example(IPv4Address("8.8.8.8"))
def test_an_ipv6_address_is_judged_by_the_ipv4_address_it_contains(address):
    number, google = int(address), int(IPv4Address("8.8.8.8"))
    leading_there = {
        "mapped": 0xFFFF << 32 | number,
        "NAT64": int(IPv6Address("64:ff9b::")) | number,
        "6to4": 0x2002 << 112 | number << 80 | 1,
        "Teredo's server": 0x2001_0000 << 96 | number << 64 | (google ^ 0xFFFFFFFF),
        "Teredo's client": 0x2001_0000 << 96 | google << 64 | (number ^ 0xFFFFFFFF),
    }
    for form, inside in leading_there.items():
        assert is_public(IPv6Address(inside)) == is_public(address), form


@given(st.ip_addresses(v=6))
def test_outside_the_block_for_hosts_only_translated_addresses_are_public(address):
    if is_public(address):
        assert any(
            address in ip_network(block) for block in ("2000::/3", "::ffff:0:0/96", "64:ff9b::/96")
        )
