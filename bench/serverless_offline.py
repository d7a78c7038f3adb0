"""serverless-offline under osls, the free fork of Serverless, installed into a cache folder."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.servers import BIN, SAMPLE, Served, free_port, server

CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser() / "lampwork-bench"
PACKAGES: Final = ("osls@4", "serverless-offline@14")


def is_available() -> bool:
    """Whether Node is installed to run it."""
    return shutil.which("node") is not None and shutil.which("npm") is not None


@contextmanager
def serverless_offline() -> Iterator[Served]:
    """serverless-offline with the sample."""
    folder = CACHE / "serverless-offline"
    _install(folder)
    for file in (SAMPLE / "app.py", Path(__file__).parent / "peer" / "serverless.yml"):
        shutil.copy(file, folder)
    port = free_port()
    command = ["node", "node_modules/.bin/osls", "offline", "--host", "127.0.0.1"]
    command += ["--httpPort", str(port), "--lambdaPort", str(free_port())]
    # It runs `python3.11` from the PATH.
    python = {"VIRTUAL_ENV": sys.prefix, "PATH": f"{BIN}:{os.environ['PATH']}"}
    quiet = {"SLS_TELEMETRY_DISABLED": "1", "SLS_NOTIFICATIONS_MODE": "off"}
    variables = {**python, **quiet}
    with server(*command, folder=folder, environment=variables, quiet=True) as process:
        yield Served(port, process.pid, folder)


def _install(folder: Path) -> None:
    if (folder / "node_modules" / ".bin" / "osls").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "package.json").write_text('{"private": true}')
    subprocess.run(
        ["npm", "install", "--legacy-peer-deps", "--no-audit", "--no-fund", *PACKAGES],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
