import asyncio
import os
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfiles import Change as FileChange
from watchfiles import awatch

IGNORED_FOLDERS: Final = frozenset(
    ("__pycache__", "node_modules", "site-packages", "venv", "tests", "dist", "build")
)
IGNORED_SUFFIXES: Final = frozenset(
    (".pyc", ".pyo", ".md", ".rst", ".log", ".db", ".sqlite", ".tmp", ".swp", ".swx")
)
STEP_MS: Final = 20
DEBOUNCE_MS: Final = 50
SETTLE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Change:
    """What a burst of saved files touched: functions' code, or what describes the stack."""

    code: bool
    settings: bool


@dataclass(frozen=True, slots=True)
class Watched:
    """`settings` are the template, the configuration and the env file: they need not exist yet."""

    code_dirs: Collection[Path]
    settings: Collection[Path]
    ignored: Collection[Path]

    def change(self, paths: Collection[Path]) -> Change:
        settings = any(path in self.settings for path in paths)
        return Change(code=any(self.is_code(path) for path in paths), settings=settings)

    def is_code(self, path: Path) -> bool:
        return path not in self.settings and any(
            path.is_relative_to(code_dir) and self._counts(path.relative_to(code_dir))
            for code_dir in self.code_dirs
        )

    def folders(self) -> list[Path]:
        """The folders to watch with all below them: a venv of thousands is not among them."""
        below = {
            folder
            for code_dir in self.code_dirs
            for folder in code_dir.iterdir()
            if folder.is_dir() and folder not in self.ignored and not _ignored_folder(folder.name)
        }
        return sorted(folder for folder in below if not below.intersection(folder.parents))

    def places(self) -> set[Path]:
        """The folders of which only the files in them are watched."""
        return {*self.code_dirs, *(file.parent for file in self.settings if file.parent.is_dir())}

    def _counts(self, path: Path) -> bool:
        return not (
            any(_ignored_folder(folder) for folder in path.parts[:-1])
            or path.suffix in IGNORED_SUFFIXES
            or path.name.startswith(".")
            or path.name.endswith("~")
            or _ignored_folder(path.name)
        )


class Watcher:
    """Calls back after each burst of saved files, one burst after the other."""

    def __init__(self, watched: Watched, on_change: Callable[[Change], Awaitable[None]]) -> None:
        self._watched = watched
        self._on_change = on_change
        self._handling = asyncio.Lock()
        self._folders_changed = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch_places())
            group.create_task(self._watch_folders())

    async def _watch_places(self) -> None:
        places = self._watched.places()
        async for changes in awatch(*places, recursive=False, step=STEP_MS, debounce=DEBOUNCE_MS):
            if any(kind is FileChange.added and os.path.isdir(path) for kind, path in changes):
                self._folders_changed.set()
                # Reported once it is watched: what was put in it meanwhile is then not missed.
                await asyncio.sleep(SETTLE_SECONDS)
            await self._report({Path(path) for _, path in changes})

    async def _watch_folders(self) -> None:
        while True:
            self._folders_changed.clear()
            if folders := self._watched.folders():
                await self._watch(folders)
            else:
                await self._folders_changed.wait()

    async def _watch(self, folders: Collection[Path]) -> None:
        stop = self._folders_changed
        async for changes in awatch(*folders, step=STEP_MS, debounce=DEBOUNCE_MS, stop_event=stop):
            await self._report({Path(path) for _, path in changes})

    async def _report(self, paths: Collection[Path]) -> None:
        change = self._watched.change(paths)
        if change.code or change.settings:
            async with self._handling:
                await self._on_change(change)


def _ignored_folder(name: str) -> bool:
    return name in IGNORED_FOLDERS or name.startswith(".") or name.endswith(".egg-info")
