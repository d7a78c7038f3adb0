"""The packages that functions and their layers ask for: installed when a function needs them."""

import asyncio
import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from lampwork.app.packages import installer
from lampwork.app.packages.installer import LocalProject
from lampwork.app.packages.node_client import NodeClient
from lampwork.app.packages.present import holds, is_built
from lampwork.app.packages.pyproject_files import BUILD_METHOD, read_pyproject
from lampwork.app.packages.pyproject_files import FILE as PYPROJECT
from lampwork.app.packages.requirement_files import (
    ARCHIVES,
    FILE,
    Requirements,
    read_requirements,
)
from lampwork.errors import ConfigurationError, StartError
from lampwork.interpreters.python import Python, own_python
from lampwork.runtime.packages import NotInstalled
from lampwork.runtime.user_code import REQUIREMENTS
from lampwork.stack.model import Function

AT_ONCE: Final = max(2, os.cpu_count() or 1)
# Folders that a build does not read, and some of which it writes.
UNREAD_FOLDERS: Final = frozenset(("__pycache__", "node_modules", "build", "dist"))


@dataclass(slots=True)
class PackageSet:
    """What one requirements file asks for, and the folder of these packages, for one Python.

    `problem` says why it cannot be installed, if that is known before it is tried. `copied` are the
    local projects that an earlier installation copied.
    """

    requirements: Requirements
    folder: Path
    python: Python
    problem: str = ""
    copied: Sequence[LocalProject] = ()
    users: list[str] = field(default_factory=list)


class Installations:
    """Installs, once for each content of a requirements file, into the data folder.

    A function's packages are installed when `install` is first called for it; those of several
    functions at the same time. A failure concerns the functions that ask for these packages and is
    said once; `assign` forgets it, so that they are tried again.
    """

    def __init__(self, root: Path, data: Path, say: Callable[[str], None]) -> None:
        self._root = root.resolve()
        self._folder = data.resolve() / REQUIREMENTS
        self._say = say
        self._node = NodeClient(data, say)
        # By their folders. All sets that were ever assigned: a function may start with an old one.
        self._sets: dict[Path, PackageSet] = {}
        self._assigned: dict[Path, PackageSet] = {}
        self._tasks: dict[Path, asyncio.Task[None]] = {}  # those under way
        self._failed: dict[Path, NotInstalled] = {}
        self._room = asyncio.Semaphore(AT_ONCE)
        self.on_copied: Callable[[], None] = lambda: None

    @property
    def files(self) -> set[Path]:
        """All files that decide what is installed."""
        sets = self._assigned.values()
        asked = (file for each in sets for file in each.requirements.files)
        copied = (project for each in sets for project in each.copied)
        return {*asked, *(file for project in copied for file in _files(project.folder))}

    def assign(self, functions: Mapping[str, Function]) -> dict[str, Function]:
        """The functions, each with the folder in which its own packages will be, and one for each
        of its layers that is not built yet.

        A folder that holds its packages already needs no other. The requirements.txt in the
        project's own folder is not read: what it names belongs in the environment that Lampwork
        itself runs in.
        """
        found: dict[Path, PackageSet] = {}
        assigned = {
            logical_id: replace(
                function,
                requirements=self._own(function, found),
                layer_requirements=tuple(
                    folder
                    for layer in reversed(function.layers)
                    if layer in function.source_layers
                    and (
                        folder := self._asked(
                            layer, f"a layer of {logical_id}", _python(function), found
                        )
                    )
                ),
            )
            for logical_id, function in functions.items()
        }
        self._assigned = found
        self._sets = {**self._sets, **found}
        self._failed.clear()
        return assigned

    def are_installed(self, function: Function) -> bool:
        return all(folder.is_dir() for folder in self._folders(function))

    async def install(self, function: Function) -> None:
        """As `Packages.install`."""
        if function.needs_node_client:
            await self._node.install()
        for folder in self._folders(function):
            if not folder.is_dir():
                await self._installed(folder)

    async def stop(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _folders(self, function: Function) -> Iterator[Path]:
        own = function.requirements
        asked = (*([own] if own else []), *function.layer_requirements)
        return (folder for folder in asked if folder in self._sets)

    def _own(self, function: Function, found: dict[Path, PackageSet]) -> Path | None:
        if function.is_node:
            return None
        place, whose, python = function.code_dir, function.logical_id, _python(function)
        if function.build_method == BUILD_METHOD and (place / PYPROJECT).is_file():
            return self._asked(place, whose, python, found, PYPROJECT, read_pyproject)
        return self._asked(place, whose, python, found)

    def _asked(
        self,
        place: Path,
        whose: str,
        python: Python,
        found: dict[Path, PackageSet],
        name: str = FILE,
        read: Callable[[Path, Path], Requirements] = read_requirements,
    ) -> Path | None:
        file = place.resolve() / name
        if file.parent == self._root or not file.is_file() or is_built(file.parent):
            return None
        try:
            requirements = read(file, self._root)
        except ConfigurationError as error:
            wrong = PackageSet(Requirements(file, files=[file]), Path(), python, f"{error}")
            return self._add(wrong, whose, found)
        if not requirements.asks or holds(file.parent, requirements.names, requirements.projects):
            return None
        return self._add(PackageSet(requirements, Path(), python), whose, found)

    def _add(self, asked: PackageSet, whose: str, found: dict[Path, PackageSet]) -> Path:
        key = _key(asked)
        record = _Record.of(self._folder / f"{key}.json")
        if record is not None:
            asked.copied = record.projects
            if (state := _state(record.projects)) != record.state:
                key = hashlib.sha256(f"{key}{state}".encode()).hexdigest()[:32]
        asked.folder = self._folder / key / "site-packages"
        kept = found.setdefault(asked.folder, asked)
        kept.users.append(whose)
        return kept.folder

    async def _installed(self, folder: Path) -> None:
        if failure := self._failed.get(folder):
            raise failure
        if folder not in self._tasks:
            task = self._tasks[folder] = asyncio.create_task(self._install(self._sets[folder]))
            task.add_done_callback(lambda _: self._tasks.pop(folder))
        await asyncio.shield(self._tasks[folder])

    async def _install(self, asked: PackageSet) -> None:
        file = asked.requirements.file
        whose = " and ".join(asked.users)
        try:
            if asked.problem:
                raise StartError(asked.problem)
            async with self._room:
                self._say(f"Installing what {file} asks for, for {whose}.")
                began = time.monotonic()
                await self._run_installer(asked)
                self._say(f"Installed {file} in {time.monotonic() - began:.1f} s.")
        except StartError as error:
            text = f"{error}" if asked.problem else _failure(file, error)
            self._say(f"{text}\n{whose} cannot start until {file.name} is corrected and saved.")
            failure = self._failed[asked.folder] = NotInstalled(text)
            raise failure from error

    async def _run_installer(self, asked: PackageSet) -> None:
        copied = await installer.install(
            asked.requirements.lines,
            asked.folder,
            place=asked.requirements.file.parent,
            python=asked.python,
            rebuilt=[project.name for project in asked.copied],
        )
        record = self._folder / f"{_key(asked)}.json"
        if copied and not record.exists():
            _Record(copied, _state(copied)).write(record)
            asked.copied = copied
            self.on_copied()


@dataclass(frozen=True, slots=True)
class _Record:
    """The local projects that an installation copied, and their state at that time. They may only
    be known once they are installed: another project asks for them."""

    projects: Sequence[LocalProject]
    state: str

    @classmethod
    def of(cls, file: Path) -> "_Record | None":
        try:
            content = json.loads(file.read_text())
        except FileNotFoundError:
            return None
        projects = [LocalProject(name, Path(folder)) for name, folder in content["projects"]]
        return cls(projects, content["state"])

    def write(self, file: Path) -> None:
        projects = [(project.name, str(project.folder)) for project in self.projects]
        file.write_text(json.dumps({"projects": projects, "state": self.state}))


def _python(function: Function) -> Python:
    return function.python or own_python()


def _failure(file: Path, error: StartError) -> str:
    return f"{file} cannot be installed by {installer.name_of_installer()}:\n{error}"


def _key(asked: PackageSet) -> str:
    """What decides which packages are installed. The lines of a file without local paths mean the
    same in every folder."""
    python = f"{asked.python.base} {asked.python.version}"
    digest = hashlib.sha256(f"{python}\n{asked.problem}\n".encode())
    digest.update("\n".join(asked.requirements.lines).encode())
    for file in asked.requirements.files:
        if file != asked.requirements.file and file.is_file():
            digest.update(_content(file))
    return digest.hexdigest()[:32]


def _content(file: Path) -> bytes:
    if file.name.endswith(ARCHIVES):  # too large to be read each time
        status = file.stat()
        return f"{file.name} {status.st_size} {status.st_mtime_ns}".encode()
    return hashlib.sha256(file.read_bytes()).digest()


def _state(projects: Sequence[LocalProject]) -> str:
    digest = hashlib.sha256()
    for project in projects:
        for file in sorted(_files(project.folder)):
            status = file.stat()
            digest.update(f"{file} {status.st_mtime_ns} {status.st_size}\n".encode())
    return digest.hexdigest()[:32]


def _files(folder: Path) -> Iterator[Path]:
    for path, folders, names in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if name not in UNREAD_FOLDERS and not name.startswith(".") and "egg-info" not in name
        ]
        yield from (file for name in names if (file := Path(path, name)).is_file())
