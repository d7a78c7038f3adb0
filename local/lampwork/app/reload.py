import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lampwork.app.packages.requirement_files import FILE as REQUIREMENTS
from lampwork.app.read_files import ReadFiles
from lampwork.config.project_config import Config
from lampwork.runtime.read_files import Signature, state_of
from lampwork.stack.model import Stack

IGNORED_FOLDERS: Final = frozenset(
    ("__pycache__", "node_modules", "site-packages", "venv", "tests", "dist", "build")
)
# Only these suffixes count as code. Otherwise a process that writes its log or database beside the
# code would be restarted by its own writing.
CODE_SUFFIXES: Final = frozenset(
    (
        *(".py", ".so", ".json", ".yaml", ".yml", ".toml", ".ini", ".cfg", ".sql", ".lua", ".xml"),
        *(
            ".html",
            ".htm",
            ".css",
            ".js",
            ".mjs",
            ".cjs",
            ".svg",
            ".j2",
            ".jinja",
            ".jinja2",
            ".mako",
            ".graphql",
        ),
    )
)
STEP_MS: Final = 20
DEBOUNCE_MS: Final = 50
POLL_SECONDS: Final = 0.2
PAUSE_PER_WORK: Final = (
    50  # where functions read thousands of files, they are asked for more rarely
)
SETTLE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class Change:
    """What a burst of saved files touched: `code` of functions, or `settings`, which describe the
    stack."""

    code: bool
    settings: bool
    files: frozenset[Path] = field(default=frozenset(), compare=False)


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
        code = any(self.is_code(path) for path in paths)
        return Change(code=code, settings=settings, files=frozenset(paths))

    def covers(self, path: Path) -> bool:
        """Whether a save of this file itself, not of what a link leads to, is a change."""
        return self.counts(path) and path == path.resolve()

    def counts(self, path: Path) -> bool:
        """Whether a save of this file is a change."""
        return path in self.settings or self.is_code(path)

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

    def __init__(
        self,
        watched: Watched,
        read_files: ReadFiles,
        on_change: Callable[[Change], Awaitable[None]],
    ) -> None:
        self._watched = watched
        self._read_files = read_files
        self._reported: dict[Path, Signature | None] = {}
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
        watching = (self._watch_places(), self._watch_folders(), self._watch_read_files())
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

    async def _watch_read_files(self) -> None:
        """Notice the edits that the other watches do not: of any file that a function has read."""
        left_to_others: set[str] = set()
        took = 0.0
        while True:
            await asyncio.sleep(max(POLL_SECONDS, took * PAUSE_PER_WORK))
            if self._handling.locked():
                continue
            began = time.perf_counter()
            edited = self._read_files.edited()
            took = time.perf_counter() - began
            covered = {path for path in edited if self._watched.covers(Path(path))}
            if edited - covered or edited & left_to_others:
                await _until_written(edited)
                self._read_files.forget()
                if new := self._new_states(map(Path, edited)):
                    await self._handle(Change(code=True, settings=False, files=frozenset(new)))
                covered = set()
            left_to_others = covered

    async def _report(self, paths: Collection[Path]) -> None:
        counting = [
            path
            for path in paths
            if self._watched.counts(path) and not self._read_files.is_written(f"{path}")
        ]
        await _until_written(map(str, counting))
        change = self._watched.change(self._new_states(counting))
        if change.code or change.settings:
            await self._handle(change)

    def _new_states(self, paths: Iterable[Path]) -> list[Path]:
        """The files that have changed since they were last reported: one edit may be noticed by
        more than one watch, by more than one name, and more than once."""
        new = []
        for path in paths:
            real, state = path.resolve(), state_of(f"{path}")
            if real not in self._reported or self._reported[real] != state:
                self._reported[real] = state
                new.append(path)
        return new

    async def _handle(self, change: Change) -> None:
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


async def import_watch() -> None:
    """Import what watches files, also that which a first watch imports: this one ends at once."""
    ended = asyncio.Event()
    ended.set()
    async for _ in _bursts([Path(__file__)], ended, recursive=False, step=1, debounce=1):
        pass


async def _until_written(paths: Iterable[str]) -> None:
    """Give whoever has just emptied a file a moment to write it anew."""
    written = list(paths)
    for _ in range(int(SETTLE_SECONDS * 1000 / STEP_MS)):
        states = [state_of(path) for path in written]
        if all(state is None or state[1] for state in states):
            return
        await asyncio.sleep(STEP_MS / 1000)


async def _bursts(
    folders: Collection[Path],
    until: asyncio.Event,
    *,
    recursive: bool,
    step: int = STEP_MS,
    debounce: int = DEBOUNCE_MS,
) -> AsyncIterator[set[Path]]:
    from watchfiles import awatch  # not before functions' packages load: it takes 40 ms

    if not folders:
        await until.wait()
        return
    async for changes in awatch(
        *folders, recursive=recursive, step=step, debounce=debounce, stop_event=until
    ):
        yield {Path(path) for _, path in changes}


def _ignored_folder(name: str) -> bool:
    return name in IGNORED_FOLDERS or name.startswith(".") or name.endswith(".egg-info")
