import asyncio
import concurrent.futures
import threading
from functools import cached_property
from typing import TYPE_CHECKING

from shared.generators.painter.picture import paint
from shared.generators.port import GenerationParameters, Image, Progress

if TYPE_CHECKING:
    from shared.generators.painter.processes import Processes


class Stopped(Exception):
    """The picture is no longer wanted."""


class Painter:
    """Paints by rules, without a model: words steer the scene, and chance does the rest.

    Of several pictures at once, this process paints one, and other processes the rest.
    """

    def __init__(self) -> None:
        self._paints_here = False

    @cached_property
    def _processes(self) -> "Processes":
        from shared.generators.painter.processes import Processes  # few need what this loads

        return Processes()

    async def generate(
        self, prompt: str, parameters: GenerationParameters, progress: Progress
    ) -> Image:
        reporter = Reporter(progress, asyncio.get_running_loop())
        here, self._paints_here = not self._paints_here, True
        work = paint if here else self._processes.paint
        try:
            data = await asyncio.to_thread(work, prompt, parameters, reporter.report)
        finally:
            reporter.stop()
            if here:
                self._paints_here = False
        return Image(data, "image/png", parameters.width, parameters.height)


class Reporter:
    """Carries progress from the painting thread to the event loop, and the request to stop back."""

    def __init__(self, progress: Progress, loop: asyncio.AbstractEventLoop) -> None:
        self._progress = progress
        self._loop = loop
        self._lock = threading.Lock()
        self._stopped = False
        self._pending: concurrent.futures.Future[None] | None = None

    def report(self, fraction: float) -> None:
        """Wait until the loop has the progress. Called in the painting thread.

        Raises:
            Stopped: the picture is no longer wanted.
        """
        with self._lock:
            if self._stopped:
                raise Stopped
            self._pending = asyncio.run_coroutine_threadsafe(self._note(fraction), self._loop)
        self._pending.result()

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._pending:
                self._pending.cancel()

    async def _note(self, fraction: float) -> None:
        await self._progress(fraction)


def from_url(url: str) -> Painter:
    return Painter()
