"""All tests that are left out anywhere, each with the reason. There are no other skips."""

import shutil
from collections.abc import Iterable, Sized
from typing import TypeVar

import pytest

T = TypeVar("T")

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None,
    reason="functions of Node.js need node and npm: tests/install-services installs them",
)


def needs_two(pythons: Sized) -> None:
    """Skip a comparison of what several Pythons build where there is only one."""
    if len(pythons) < 2:
        pytest.skip("there is one Python with pip here, so nothing to compare")


def needs_another_python(pythons: Iterable[T]) -> T:
    """The first of these, or skip a test of functions that run on another version."""
    found = next(iter(pythons), None)
    if found is None:
        pytest.skip("there is one version of Python here, so no other to run functions on")
    return found
