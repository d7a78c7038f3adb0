"""Environments that Lampwork makes for a project, in its data folder: one for each Python and each
content of what the project asks for."""

import asyncio
import fcntl
import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from io import TextIOWrapper
from pathlib import Path
from typing import Final

from lampwork.app.packages import installer
from lampwork.app.pythons.asked import Asked
from lampwork.errors import StartError
from lampwork.interpreters.importable import importable
from lampwork.interpreters.probing import probe
from lampwork.interpreters.python import REST, Python, own_python

READY: Final = "lampwork-ready"


class Environments:
    """`say` tells the user what is installed."""

    def __init__(self, data: Path, say: Callable[[str], None]) -> None:
        self._data = data.resolve()
        self._say = say

    def usable(self, python: Python) -> Python:
        """The Python with what functions' processes need of Lampwork."""
        own = own_python()
        if (python.prefix, python.version) == (own.prefix, own.version):
            return own
        ours = str(importable(self._data))
        return replace(
            python,
            ours=ours,
            packages=(*python.packages, f"{ours}/{REST}"),
            folders=(*python.folders, ours),
        )

    async def made(self, base: Python, asked: Asked | None) -> Python:
        """The environment with what is asked for; it is made if it is not there.

        Raises:
            StartError: it cannot be made.
        """
        folder = self._data / "pythons" / f"{base.minor}-{_key(base, asked)}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with await asyncio.to_thread(_locked, folder.with_suffix(".lock")):
            if not (folder / READY).is_file():
                await self._make(folder, base, asked)
        found = await asyncio.to_thread(probe, f"{folder}/bin/python")
        if found is None:
            raise StartError(f"{folder}/bin/python does not run. Delete {folder}; start again.")
        return await asyncio.to_thread(self.usable, found)

    async def _make(self, folder: Path, base: Python, asked: Asked | None) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        await _run_venv(base, folder)
        if asked is not None:
            self._say(f"Installing what {asked.file} asks for, for Python {base.minor}.")
            began = time.monotonic()
            python = replace(base, path=f"{folder}/bin/python", prefix=str(folder))
            try:
                await installer.install_into(
                    python, asked.requirements.lines, asked.constraints, asked.file.parent
                )
            except StartError as error:
                name = installer.name_of_installer()
                raise StartError(
                    f"{asked.file} cannot be installed by {name} for Python {base.minor}:\n{error}"
                ) from error
            self._say(f"Installed {asked.file} in {time.monotonic() - began:.1f} s.")
        (folder / READY).touch()


async def _run_venv(base: Python, folder: Path) -> None:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(base.path, "-I", "-m", "venv", "--without-pip", str(folder)), stdout=pipe, stderr=pipe
    )
    try:
        _, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        why = said.decode(errors="replace").strip().rpartition("\n")[2]
        raise StartError(f"{base.path} cannot make an environment in {folder}: {why}")


def _locked(file: Path) -> TextIOWrapper:
    """The file, which only one process has at a time, until it closes it."""
    opened = file.open("a")
    fcntl.flock(opened, fcntl.LOCK_EX)
    return opened


def _key(base: Python, asked: Asked | None) -> str:
    digest = hashlib.sha256(f"{base.path} {base.version}\n".encode())
    if asked is not None:
        digest.update("\n".join((*asked.requirements.lines, "", *asked.constraints)).encode())
        for file in sorted(asked.requirements.files):
            if file.is_file() and file not in (asked.file, asked.requirements.file):
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
