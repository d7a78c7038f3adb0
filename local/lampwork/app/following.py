import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from pathlib import Path
from typing import Final

from lampwork.errors import LampworkError

QUIET_SECONDS: Final = 0.5
LONGEST_SECONDS: Final = 5.0


class Following:
    """What follows a save in its own time, while requests already run what was saved.

    It waits until nobody has saved for a moment, since it takes longer than a function's start and
    would slow that down. `preload` loads packages for the functions' next starts; `restart` gets
    the saved files, None for any file.
    """

    def __init__(
        self,
        preload: Callable[[], Awaitable[None]],
        restart: Callable[[Collection[Path] | None], Awaitable[None]],
        say: Callable[[str], None],
    ) -> None:
        self._preload = preload
        self._restart = restart
        self._say = say
        self._news = asyncio.Event()
        self._saved: set[Path] = set()
        self._any = False

    def start(self) -> None:
        self._task = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    def saved(self, files: Collection[Path] | None) -> None:
        """These files were saved; None if all that runs may be out of date."""
        self._any |= files is None
        self._saved.update(files or ())
        self._news.set()

    async def _follow(self) -> None:
        while True:
            await self._until_quiet()
            files = None if self._any else frozenset(self._saved)
            self._any = False
            self._saved.clear()
            for work in (partial(self._restart, files), self._preload):
                try:
                    await work()
                except LampworkError as error:
                    self._say(f"{error}")

    async def _until_quiet(self) -> None:
        """Wait until something was saved, and then until nothing is, but not for ever."""
        await self._news.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_SECONDS):
                while self._news.is_set():
                    self._news.clear()
                    await asyncio.sleep(QUIET_SECONDS)
        self._news.clear()
