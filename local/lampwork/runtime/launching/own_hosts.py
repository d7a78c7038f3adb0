"""The hosts of the stack's own APIs, such as abc.execute-api.localhost, lead to this machine."""

import socket
from typing import Any

LOCALHOST = ".localhost"


def resolve() -> None:
    """Have every name below localhost mean this machine, as browsers do. Not every C library does.

    https://www.rfc-editor.org/rfc/rfc6761#section-6.3
    """
    by_name = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
        own = isinstance(host, str) and host.endswith(LOCALHOST)
        return by_name("localhost" if own else host, *arguments, **named)

    socket.getaddrinfo = getaddrinfo
