from pathlib import Path

import pytest

from tests.emulator.projects.installation import Installation


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """`lampwork` from its wheel in a venv of its own; all workers of a test run share it."""
    return Installation.in_folder(_shared(tmp_path_factory) / "installation")


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base
