"""Where moto keeps the state of its services."""

from collections.abc import Iterator
from typing import Any, Final

import moto
from moto.backends import get_backend
from moto.core.base_backend import BaseBackend

from lampwork.stack.model import ACCOUNT_ID

VERSION: Final = moto.__version__


def backend(service: str, region: str) -> Any:
    """The state of any service; each module here has its own service's with a type."""
    return get_backend(service)[ACCOUNT_ID][region]  # type: ignore[call-overload]


def present(service: str) -> Iterator[tuple[str, Any]]:
    """The regions a service is used in, with their states."""
    yield from list(get_backend(service)[ACCOUNT_ID].items())  # type: ignore[call-overload]


def identity(value: object) -> tuple[str, str] | None:
    """The service and the region of a backend; None for anything else."""
    if isinstance(value, BaseBackend):
        return type(value).__module__.split(".")[1], value.region_name
    return None
