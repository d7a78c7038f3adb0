"""The state of moto's services."""

from collections.abc import Iterator
from typing import Any, Final

import moto
from moto.backends import get_backend
from moto.core.base_backend import BaseBackend

from lampwork.stack.model import ACCOUNT_ID

VERSION: Final = moto.__version__


def backend(service: str, region: str) -> Any:
    """The state of a service in a region. Each module here gives its service's state a type."""
    return get_backend(service)[ACCOUNT_ID][region]  # type: ignore[call-overload]


def present(service: str) -> Iterator[tuple[str, Any]]:
    """The regions in which a service is used, each with the service's state there."""
    yield from list(get_backend(service)[ACCOUNT_ID].items())  # type: ignore[call-overload]


def identity(value: object) -> tuple[str, str] | None:
    """The service and the region of a state object; None for any other value."""
    if isinstance(value, BaseBackend):
        return type(value).__module__.split(".")[1], value.region_name
    return None
