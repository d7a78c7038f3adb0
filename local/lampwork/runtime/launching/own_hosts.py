"""The hosts of the stack's own APIs, such as abc.execute-api.localhost, lead to this machine."""

import socket
from collections.abc import Mapping
from typing import Any

LOCALHOST = ".localhost"


def resolve(elsewhere: Mapping[str, int]) -> None:
    """Have every name below localhost mean this machine, as browsers do. Not every C library does.

    https://www.rfc-editor.org/rfc/rfc6761#section-6.3

    `elsewhere` are the hosts of AWS that lead here, too, each with the port that answers for it.
    """
    by_name = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *arguments: Any, **named: Any) -> Any:
        if isinstance(host, str):
            if host.endswith(LOCALHOST):
                host = "localhost"
            elif host in elsewhere:
                host, port = "127.0.0.1", elsewhere[host]
        return by_name(host, port, *arguments, **named)

    socket.getaddrinfo = getaddrinfo
