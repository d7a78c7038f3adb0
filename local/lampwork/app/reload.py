import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from watchfiles import awatch

from lampwork.app.packages.requirement_files import FILE as REQUIREMENTS
from lampwork.config.project_config import Config
from lampwork.stack.model import Stack

IGNORED_FOLDERS: Final = frozenset(
    ("__pycache__", "node_modules", "site-packages", "venv", "tests", "dist", "build")
)
# Only these suffixes count as code. Otherwise a process that writes its log or database beside the
# code would be restarted by its own writing.
CODE_SUFFIXES: Final = frozenset(
    (
        *(".py", ".so", ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".sql", ".lua", ".xml"),
        *(".html", ".htm", ".css", ".js", ".svg", ".j2", ".jinja", ".jinja2", ".mako", ".graphql"),
    )
)
STEP_MS: Final = 20
DEBOUNCE_MS: Final = 50
SETTLE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Change:
    """What a burst of saved files touched: `code` of functions, or `settings`, which describe the
    stack."""

    code: bool
    settings: bool


@dataclass(frozen=True, slots=True)
class Watched:
    """The files whose changes matter.

    `settings` are single files that describe the stack, such as the template, the configuration and
    the env file; they need not exist yet. Changes below `ignored` never count as code.
    """

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

    def folders(self) -> set[Path]:
        """The folders to watch with all that is below them, without ignored ones: a virtual
        environment has thousands of folders."""
        below = {
            folder
            for code_dir in self.code_dirs
            for folder in code_dir.iterdir()
            if folder.is_dir() and folder not in self.ignored and not _ignored_folder(folder.name)
        }
        return {folder for folder in below if not below.intersection(folder.parents)}

    def places(self) -> set[Path]:
        """The folders to watch without what is below them.

        A folder that `folders` already covers is left out: a save there would be reported twice.
        """
        parents = (file.parent for file in self.settings if file.parent.is_dir())
        below = self.folders()
        return {
            folder
            for folder in (*self.code_dirs, *parents)
            if below.isdisjoint((folder, *folder.parents))
        }

    def _counts(self, path: Path) -> bool:
        folders, name = path.parts[:-1], path.name
        return (
            path.suffix in CODE_SUFFIXES
            and not name.startswith(".")
            and not any(_ignored_folder(folder) for folder in folders)
        )


class Watcher:
    """Calls `on_change` after each burst of saved files, for one burst at a time."""

    def __init__(self, watched: Watched, on_change: Callable[[Change], Awaitable[None]]) -> None:
        self._watched = watched
        self._on_change = on_change
        self._handling = asyncio.Lock()
        self._new_folders = asyncio.Event()
        self._new_places = asyncio.Event()

    def watch(self, watched: Watched) -> None:
        """Watch these files from now on instead."""
        if watched != self._watched:
            self._watched = watched
            self._new_folders.set()
            self._new_places.set()

    async def start(self) -> None:
        """Begin to watch. Every save after this returns is noticed."""
        watching = (self._watch_places(), self._watch_folders())
        self._tasks = [asyncio.create_task(each) for each in watching]
        await asyncio.sleep(0)  # each sets up its watch in its first step

    async def wait(self) -> None:
        """Never returns; raises what `on_change` raised."""
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)

    async def _watch_places(self) -> None:
        while True:
            self._new_places.clear()
            async for paths in _bursts(self._watched.places(), self._new_places, recursive=False):
                await self._report(paths | await self._in_new_folders(paths))

    async def _in_new_folders(self, paths: set[Path]) -> set[Path]:
        """The files that were put into new folders before the watch covered them."""
        folders = [path for path in paths if path.is_dir()]
        if folders:
            self._new_folders.set()
            await asyncio.sleep(SETTLE_SECONDS)
        return {file for folder in folders for file in folder.rglob("*")}

    async def _watch_folders(self) -> None:
        while True:
            self._new_folders.clear()
            async for paths in _bursts(self._watched.folders(), self._new_folders, recursive=True):
                await self._report(paths)

    async def _report(self, paths: Collection[Path]) -> None:
        change = self._watched.change(paths)
        if change.code or change.settings:
            async with self._handling:
                await self._on_change(change)


def watched_files(config: Config, stack: Stack, packages: Iterable[Path]) -> Watched:
    """All files that a project's configuration, stack and functions are made of; `packages` are
    those that decide which packages are installed."""
    settings = [config.template, config.env_file, *config.sam_files]
    settings += [config.file] if config.file else []
    settings += [file.resolve() for file in stack.files]
    settings += packages
    settings += {
        folder / REQUIREMENTS
        for function in stack.functions.values()
        for folder in (function.code_dir, *function.source_layers)
    }
    code_dirs = {
        folder
        for function in stack.functions.values()
        for folder in (function.code_dir, *function.layers)
    }
    return Watched(code_dirs, settings, [config.data])


async def _bursts(
    folders: Collection[Path], until: asyncio.Event, *, recursive: bool
) -> AsyncIterator[set[Path]]:
    if not folders:
        await until.wait()
        return
    async for changes in awatch(
        *folders, recursive=recursive, step=STEP_MS, debounce=DEBOUNCE_MS, stop_event=until
    ):
        yield {Path(path) for _, path in changes}


def _ignored_folder(name: str) -> bool:
    return name in IGNORED_FOLDERS or name.startswith(".") or name.endswith(".egg-info")
