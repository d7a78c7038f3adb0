"""Where moto keeps the state of its services."""

from collections.abc import Iterator
from typing import Any

from moto.backends import get_backend

from lampwork.stack.model import ACCOUNT_ID

S3_REGION = "aws"  # S3 is one for all regions of a partition


def backend(service: str, region: str) -> Any:
    return get_backend(service)[ACCOUNT_ID][region]  # type: ignore[call-overload]


def present(service: str) -> Iterator[tuple[str, Any]]:
    """The regions a service is used in, with their states."""
    yield from list(get_backend(service)[ACCOUNT_ID].items())  # type: ignore[call-overload]
