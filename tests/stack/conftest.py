"""The Compose stack that `make up` has started; see .ci/run."""

import pytest

from local.stack import Stack


@pytest.fixture(scope="session")
def stack() -> Stack:
    return Stack()
