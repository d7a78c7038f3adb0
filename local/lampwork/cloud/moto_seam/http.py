"""moto as a WSGI application, and how it reads a request."""

from functools import lru_cache
from typing import Any

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)

# It keeps the spelling of headers with an underscore, which S3's metadata may have.
__all__ = ["Dispatcher", "MotoRequestHandler"]


class Dispatcher(DomainDispatcherApplication):
    """Remembers whom a host name means: moto looks through all its folders at each request."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        by_host: Any = lru_cache(super().get_backend_for_host)
        self.get_backend_for_host = by_host  # type: ignore[method-assign]
