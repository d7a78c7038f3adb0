import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

SAMPLE = Path(__file__).parent / "sample"
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def server(
    *command: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server process for as long as the block lasts."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with subprocess.Popen(
        command, cwd=folder, env={**clean, **(environment or {})}, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def uvicorn() -> Iterator[int]:
    """The sample as a developer would run it without functions."""
    port = free_port()
    command = [str(BIN / "uvicorn"), "app:app", "--port", str(port), "--log-level", "warning"]
    with server(*command, folder=SAMPLE):
        yield port


@contextmanager
def lampwork(*options: str, folder: Path = SAMPLE) -> Iterator[int]:
    """The emulator on a project, with a data folder of its own."""
    port = free_port()
    with tempfile.TemporaryDirectory() as data:
        command = [str(BIN / "lampwork"), "up", "--port", str(port), "--data", data, *options]
        with server(*command, folder=folder):
            yield port
