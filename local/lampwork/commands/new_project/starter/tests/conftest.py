"""One running stack for all tests, on a port and with data of its own."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
START_WITHIN = 60  # seconds


@pytest.fixture(scope="session")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("lampwork")
    ready, log = folder / "ready.json", folder / "log.txt"
    command = [sys.executable, "-m", "lampwork", "up", "--port", "0", "--no-reload"]
    options = ["--data", str(folder / "data"), "--ready-file", str(ready)]
    with log.open("w") as output:
        stack = subprocess.Popen(
            [*command, *options], cwd=PROJECT, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_WITHIN
        while not ready.exists():
            assert stack.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield json.loads(ready.read_text())["origin"]
    finally:
        stack.terminate()
        stack.wait()
