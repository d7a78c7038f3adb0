"""AWS's runtime client for Node.js, fetched by npm when a function first needs it."""

import asyncio
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from lampwork.runtime.packages import NotInstalled
from lampwork.runtime.programs.node import client_folder, node

PACKAGE: Final = "aws-lambda-ric"
# Version 4 needs Node.js 22. https://github.com/aws/aws-lambda-nodejs-runtime-interface-client
FIRST_NODE_OF_VERSION_4: Final = 22


class NodeClient:
    """Installs the client into the data folder, once for each major version of it."""

    def __init__(self, data: Path, say: Callable[[str], None]) -> None:
        self._folder = client_folder(data)
        self._say = say
        self._installing: asyncio.Task[None] | None = None

    async def install(self) -> None:
        """
        Raises:
            NotInstalled: there is no node or npm, or npm cannot fetch it.
        """
        if self._installing is None:
            self._installing = asyncio.create_task(self._install())
        await asyncio.shield(self._installing)

    async def _install(self) -> None:
        command = node()
        if command is None:
            raise self._problem("Functions of Node.js need `node`, which is not installed here.")
        _, said = await _run(command, "--version")
        wanted = "4" if _major(said) >= FIRST_NODE_OF_VERSION_4 else "3"
        if _version(self._folder) == wanted:
            return
        npm = shutil.which("npm")
        if npm is None:
            raise self._problem(f"Functions of Node.js need `npm` once, to fetch {PACKAGE}.")
        self._say(f"Fetching AWS's runtime client for Node.js, {PACKAGE}@{wanted}.")
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder.parent) as draft:
            # Packed, not installed: an installation would compile what is replaced here.
            place = ("--pack-destination", draft, "--silent")
            status, said = await _run(npm, "pack", f"{PACKAGE}@{wanted}", *place)
            if status:
                raise self._problem(f"npm cannot fetch {PACKAGE}@{wanted}:\n{said}")
            await asyncio.to_thread(_unpack, Path(draft), self._folder)

    def _problem(self, text: str) -> NotInstalled:
        self._say(text)
        return NotInstalled(text)


def _unpack(draft: Path, folder: Path) -> None:
    """Put what npm packed, in `draft`, into the place of the folder."""
    with tarfile.open(next(draft.glob("*.tgz"))) as archive:
        archive.extractall(draft, filter="data")
    shutil.rmtree(folder, ignore_errors=True)
    (draft / "package").rename(folder)


async def _run(*command: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode(errors="replace").strip()


def _major(version: str) -> int:
    """The 20 of v20.20.2."""
    found = re.search(r"v(\d+)\.", version)
    return int(found[1]) if found else 0


def _version(folder: Path) -> str | None:
    """The major version of the client in this folder."""
    file = folder / "package.json"
    found = re.search(r'"version":\s*"(\d+)\.', file.read_text()) if file.is_file() else None
    return found[1] if found else None
