import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import uvloop

T = TypeVar("T")

ENDING: Final = (signal.SIGINT, signal.SIGTERM)


def run_until_signalled(work: Coroutine[Any, Any, T]) -> T | None:
    """The work's result, or None if Ctrl-C or SIGTERM came first: it is then cancelled."""
    try:
        return uvloop.run(_until_signalled(work))
    except asyncio.CancelledError:
        return None


async def _until_signalled(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.create_task(work)
    loop = asyncio.get_running_loop()
    for number in ENDING:
        # Also where a shell that started this in its background had SIGINT ignored.
        loop.add_signal_handler(number, _cancel_once, task)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup wants to be let alone
        loop.add_signal_handler(signal.SIGHUP, _cancel_once, task)
    return await task


def _cancel_once(task: asyncio.Task[Any]) -> None:
    # `make` passes on a SIGTERM its whole group gets: the second must not cut the cleaning short.
    if not task.cancelling():
        task.cancel()
