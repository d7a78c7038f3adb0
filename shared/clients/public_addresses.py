"""Which IP addresses belong to the public internet.

The table is IANA's: the IPv4 and IPv6 Special-Purpose Address Registries as of 2025-10-09
(https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry).
`ipaddress.is_global` answers from the registries as they were when that Python was released, so two
versions of Python would not agree on whom a guard lets through.
"""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

# The narrowest block that holds an address decides. Of a special block, what matters is "Globally
# Reachable"; a block without an answer there is deprecated, and counts as not reachable.
REACHABLE = (
    "0.0.0.0/0",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "2000::/3",  # the only block for hosts: the Internet Protocol Version 6 Address Space registry
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:20::/28",
    "2001:30::/28",
)
NOT_REACHABLE = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",  # multicast: the IPv4 Multicast Address Space registry
    "240.0.0.0/4",
    # Holds, among others: ::1, IPv4-compatible ::/96, 64:ff9b:1::/48, 100::/64, 5f00::/16,
    # fc00::/7, fe80::/10, the former site-local fec0::/10, and multicast ff00::/8.
    "::/0",
    "2001::/23",
    "2001:db8::/32",
    "3fff::/20",
)
BLOCKS = {
    ip_network(block): reachable
    for reachable, blocks in ((True, REACHABLE), (False, NOT_REACHABLE))
    for block in blocks
}

NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: the IPv4 address is in the last 32 bits
LAST_32_BITS = 0xFFFF_FFFF


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether packets to this address go to the public internet, and nowhere else.

    An IPv6 address that contains an IPv4 address is judged by it, since it leads there:
    IPv4-mapped, translated by NAT64's well-known prefix, 6to4 (RFC 3056), and both of Teredo's
    (RFC 4380).
    """
    if isinstance(address, IPv6Address) and (inner := embedded(address)):
        return all(map(is_public, inner))
    around = [block for block in BLOCKS if address in block]
    return BLOCKS[max(around, key=lambda block: block.prefixlen)]


def embedded(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """The IPv4 addresses that packets to this IPv6 address would reach or pass through."""
    if address.teredo:
        return address.teredo
    if address in NAT64:
        return (IPv4Address(int(address) & LAST_32_BITS),)
    contained = address.ipv4_mapped or address.sixtofour
    return (contained,) if contained else ()
