"""Functions of Node.js: AWS's runtime client for it, run by `node`."""

import shutil
from pathlib import Path
from typing import Final

RUNTIME: Final = str(Path(__file__).with_name("node_runtime.cjs"))


def node() -> str | None:
    """The command `node`, if it is installed."""
    return shutil.which("node")


def client_folder(data: Path) -> Path:
    """Where the runtime client is, once it is installed."""
    return data.resolve() / "node" / "aws-lambda-ric"
