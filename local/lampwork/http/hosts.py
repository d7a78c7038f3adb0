"""Which names in a Host or an Origin mean this machine, whatever a name server says."""

import ipaddress
import re
from collections.abc import Collection, Iterable
from typing import Final

# By these names containers reach the machine that they run on. ICANN has reserved .internal for
# private use, so no name server of the internet answers for it.
OF_CONTAINERS: Final = frozenset({"host.docker.internal", "host.containers.internal"})
# https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-call-api.html
# https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html
OF_APIS: Final = re.compile(
    r"[a-z0-9]+\.(execute-api|lambda-url)\.[a-z0-9-]+\.(amazonaws\.com|on\.aws)"
)
MOST_KEPT: Final = 1000


class OwnHosts:
    """The Host headers by which requests are meant for this machine. Those seen are kept, so that a
    request costs a look into a set.

    A page of a foreign site can point its own name at this machine (DNS rebinding), and is then of
    the same origin for the browser. So a name counts only if nobody else can have it resolve to
    this machine: localhost, an address, a name of AWS's for an API, what a template calls its own,
    or what the user allows.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = {host.lower() for host in allowed}
        self._of_templates: frozenset[str] = frozenset()
        self._kept: set[str] = set()

    def update(self, of_templates: Iterable[str]) -> None:
        """Take over the names that the templates call their own."""
        self._of_templates = frozenset(host.lower() for host in of_templates)
        self._kept.clear()

    def own(self, header: str) -> bool:
        """Whether a request with this Host header is answered."""
        if header in self._kept:
            return True
        host = host_of(header)
        own = (
            is_own(host, self._allowed | self._of_templates | OF_CONTAINERS)
            or OF_APIS.fullmatch(host) is not None
        )
        if own and len(self._kept) < MOST_KEPT:
            self._kept.add(header)
        return own


def host_of(header: str) -> str:
    """The host of a Host header, or of an Origin without its scheme.

    The port is left out, and so is the dot that may end a fully qualified name.
    """
    header = header.lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].removesuffix(".")


def is_own(host: str, allowed: Collection[str]) -> bool:
    """Whether a request to this host was meant for this machine; a rebound DNS name was not."""
    return (
        not host  # every browser sends one
        or is_localhost(host)
        or address(host) is not None  # no name server can change what an address means
        or host in allowed
    )


def is_own_origin(origin: str, allowed: Collection[str]) -> bool:
    """Whether pages of this origin come from this machine. Any page may have the origin "null"."""
    host = host_of(origin.partition("://")[2])
    found = address(host)
    return is_localhost(host) or host in allowed or (found is not None and found.is_loopback)


def is_localhost(host: str) -> bool:
    return host == "localhost" or host.endswith(".localhost")


def address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
