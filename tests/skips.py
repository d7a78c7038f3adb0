"""All tests that are left out anywhere, each with the reason. There are no other skips."""

import shutil

import pytest

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or shutil.which("npm") is None,
    reason="functions of Node.js need node and npm: tests/install-services installs them",
)
