"""moto as a WSGI application, and its handler of requests."""

from functools import lru_cache
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)

# MotoRequestHandler keeps underscores in the names of headers. S3's metadata may have them.
__all__ = ["Dispatcher", "MotoRequestHandler"]


class Dispatcher(DomainDispatcherApplication):
    """Remembers which service a host name means. moto would search all its folders each time."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        by_host: Any = lru_cache(super().get_backend_for_host)
        self.get_backend_for_host = by_host  # type: ignore[method-assign]
