import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SAMPLE = Path(__file__).parent / "sample"
BIN = Path(sys.executable).parent


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment_of_servers() -> dict[str, str]:
    """This process's, except that Python writes compiled code: starts without it are no use."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextmanager
def server(
    *command: str,
    folder: Path,
    environment: Mapping[str, str] | None = None,
    quiet: bool = False,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A server process for as long as the block lasts."""
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**environment_of_servers(), **(environment or {})},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if quiet else None,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


@dataclass(frozen=True)
class Served:
    """A served project: its port, the server's process, and the folder of its code."""

    port: int
    pid: int
    folder: Path


@contextmanager
def uvicorn() -> Iterator[Served]:
    """The sample as a developer would run it without Lambda."""
    port = free_port()
    command = [str(BIN / "uvicorn"), "app:app", "--port", str(port), "--log-level", "warning"]
    with server(*command, folder=SAMPLE) as process:
        yield Served(port, process.pid, SAMPLE)


@contextmanager
def lampwork(*options: str, folder: Path = SAMPLE, data: Path | None = None) -> Iterator[Served]:
    """The emulator with a project; it has a fresh data folder unless one is given."""
    port = free_port()
    with tempfile.TemporaryDirectory() as fresh:
        where = ["--port", str(port), "--data", str(data or fresh)]
        # On the Python of what it is compared with, whatever else this machine has.
        on_this = ["--python", sys.executable]
        command = [str(BIN / "lampwork"), "up", *where, *on_this, *options]
        with server(*command, folder=folder) as process:
            yield Served(port, process.pid, folder)
